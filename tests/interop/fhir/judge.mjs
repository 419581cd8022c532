// Pulls records that the sandbox makes, and Synthea's records through it, and judges each Bundle. First, each judge
// must notice the broken Bundles of its kind; otherwise its silence would prove nothing. It also judges the access log
// of a person who has pulled a record.

import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { accessLog } from "./access-log.mjs";
import { problemsOf, referencesOf } from "./bundle-check.mjs";

const IAS = "target/debug/ias";
/** Records of Synthea: the samples, and complete ones from a folder next to the checkout, if it exists. */
const SYNTHEA = ["infra/sandbox/fhir/fixtures", "../shared/data/synthea"];
/** Pulls at the same time; each starts several processes. */
const AT_ONCE = 4;
const PULL_MILLIS_MAX = 300_000;

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "fhir-judge-"));

/** Every pull: its name, its arguments, and the file of its record, if any. */
function pulls() {
  const personas = ["ordinary", "silent-source", "slow-source", "sandbox-sources"];
  const made = [
    ...personas.map((persona) => ({ name: persona, args: ["--persona", persona] })),
    ...[2, 3, 4, 5].map((seed) => ({ name: `seed ${seed}`, args: ["--seed", `${seed}`] })),
  ];
  const files = SYNTHEA.filter(existsSync).flatMap((folder) =>
    readdirSync(folder).filter((file) => file.endsWith(".json")).map((file) => join(folder, file)),
  );
  const given = files.flatMap((file) => {
    const args = ["--record", file];
    return [
      { name: file, args },
      { name: `${file}, Patients kept`, args: [...args, "--keep-patients"], given: file },
    ];
  });
  return [...made, ...given];
}

async function pulled({ args }, index) {
  const out = join(folder, `${index}.json`);
  await run(IAS, ["pull", "--json", "--out", out, ...args], { timeout: PULL_MILLIS_MAX, maxBuffer: 1 << 24 });
  return JSON.parse(readFileSync(out, "utf8"));
}

/** Problems of a pull that has lost the fullUrl of an entry in the file. */
function lostNames(bundle, given) {
  const urls = new Set(bundle.entry.map((entry) => entry.fullUrl));
  const before = JSON.parse(readFileSync(given, "utf8")).entry;
  return before
    .filter((entry) => !urls.has(entry.fullUrl))
    .map(() => ({ judge: "links", message: "an entry lost its fullUrl" }));
}

/** Bundles with one fault each, and the judge that must notice it. */
function broken(bundle) {
  const changed = (change) => {
    const copy = structuredClone(bundle);
    change(copy, copy.entry);
    return copy;
  };
  const patient = (entries) => entries.find((entry) => entry.resource.resourceType === "Patient").resource;
  return [
    ["medplum", "a collection with total", changed((copy) => (copy.total = copy.entry.length))],
    ["medplum", "a doubled fullUrl", changed((_, entries) => (entries[1].fullUrl = entries[0].fullUrl))],
    ["medplum", "a text instead of a list", changed((_, entries) => (patient(entries).name = "Quill"))],
    ["fhir", "a wrong gender code", changed((_, entries) => (patient(entries).gender = "Female"))],
    ["links", "a dead Type/id", changed((_, entries) => (patient(entries).id = "elsewhere"))],
    [
      "links",
      "a dead urn:uuid",
      changed((_, entries) => {
        const subject = entries.find((entry) => entry.resource.subject).resource.subject;
        subject.reference = "urn:uuid:00000000-0000-4000-8000-000000000000";
      }),
    ],
  ];
}

/** Logs with one fault each, and the judge that must notice it. */
function brokenLogs(bundle) {
  const changed = (change) => {
    const copy = structuredClone(bundle);
    change(copy.entry[0].resource);
    return copy;
  };
  return [
    ["medplum", "an AuditEvent without its time", changed((event) => delete event.recorded)],
    ["medplum", "an agent without requestor", changed((event) => delete event.agent[0].requestor)],
    ["fhir", "a wrong action code", changed((event) => (event.action = "Z"))],
  ];
}

function checkJudges(cases) {
  for (const [judge, what, copy] of cases) {
    if (!problemsOf(copy).some((problem) => problem.judge === judge)) throw new Error(`${judge} does not notice ${what}`);
  }
  return cases.length;
}

/** Maps in order, with at most AT_ONCE calls running. */
async function mapSome(items, act) {
  const results = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await act(items[index], index);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

async function judge() {
  const all = pulls();
  const bundles = await mapSome(all, pulled);
  const logs = await accessLog(IAS, folder);
  const seen = checkJudges([...broken(bundles[0]), ...brokenLogs(logs[0])]);
  const counts = { resources: 0, references: 0, invalid: 0 };
  all.forEach(({ name, given }, index) => {
    const bundle = bundles[index];
    const problems = [...problemsOf(bundle), ...(given ? lostNames(bundle, given) : [])];
    counts.resources += bundle.entry.length;
    counts.references += bundle.entry.flatMap((entry) => referencesOf(entry.resource)).length;
    counts.invalid += problems.length > 0 ? 1 : 0;
    problems.slice(0, 10).forEach(({ judge, message }) => console.error(`${name}: ${judge}: ${message}`));
    if (problems.length > 10) console.error(`${name}: ${problems.length - 10} more problems`);
  });
  const events = logs.flatMap((bundle) => bundle.entry.map((entry) => entry.resource));
  const kinds = new Set(events.map((event) => event.subtype[0].code));
  if (kinds.size < 10) throw new Error(`the access log has only ${[...kinds]}`);
  for (const bundle of logs) {
    const problems = problemsOf(bundle);
    counts.invalid += problems.length > 0 ? 1 : 0;
    problems.slice(0, 10).forEach(({ judge, message }) => console.error(`access log: ${judge}: ${message}`));
  }
  const { resources, references, invalid } = counts;
  console.log(
    `fhir: ${all.length} records of the sandbox with ${resources} resources and ${references} references, an access ` +
      `log of ${events.length} AuditEvents of ${kinds.size} kinds, ${invalid} invalid; ${seen} of ${seen} broken Bundles noticed`,
  );
  return invalid === 0;
}

try {
  process.exitCode = (await judge()) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
