// Starts the stand-in with every kind of webhook switched on, calls it, and judges its webhooks and replies.

import { Driver, SANDBOX_PERSONS } from "./calls.mjs";
import { RUNS, SDK_LACKS, STAND_IN_LACKS, UNJUDGED, UNKNOWN_TYPES } from "./expected.mjs";
import { MetriportMedicalApi, webhookMetadataSchema, webhookRequestSchema } from "./packages.mjs";
import { knownVariants, startReceiver, startStandIn, until } from "./stand-in.mjs";

const SWITCHES = ["--data-ready-events", "--failure-events", "--failed-consolidated", "1"];

/** Webhooks that each run must receive: type, and status if a type has several. */
const DUE = [
  "ping",
  "ias.identity.verified",
  "network-query.hie.first-data-ready processing",
  "network-query.hie completed",
  "network-query.pharmacy completed",
  "network-query.pharmacy failed",
  "network-query.lab completed",
  "medical.consolidated-data completed",
  "medical.consolidated-data failed",
];

async function drive(driver, receiver) {
  await driver.facilities();
  const key = await driver.webhook(receiver.url);
  const patients = [];
  for (const person of SANDBOX_PERSONS) patients.push(await driver.patient(...person));
  const silent = await driver.patient("Silas", "Quill", "1974-07-19", "F");
  const unknown = await driver.patient("Nadia", "Quill", "1984-07-19", "F");
  await Promise.all([
    ...[...patients, unknown].map(({ id }) => driver.networkQuery(id, "completed")),
    driver.networkQuery(silent.id, "partial"),
  ]);
  for (const { id, firstName } of patients) {
    if ((await driver.count(id)) === 0) throw new Error(`${firstName} has no record`);
  }
  const [jane] = patients;
  await driver.individualAccess(jane.id, (sessionId) => identityOf(receiver, sessionId));
  await driver.consolidated(jane.id, "json", undefined, "failed");
  await driver.consolidated(jane.id, "json", ["Observation", "Condition"], "completed");
  for (const form of ["pdf", "html"]) await driver.consolidated(jane.id, form, undefined, "completed");
  await driver.consolidated(unknown.id, "json", undefined, "completed");
  await replay(driver, receiver, jane);
  await driver.changePatient(unknown);
  return key;
}

/** Searches the whole event, because the id's place is not documented. */
async function identityOf(receiver, sessionId) {
  const verified = await until("the identity is verified", () =>
    receiver.deliveries.find(({ body, event }) => event.meta.type.startsWith("ias.") && body.includes(sessionId)),
  );
  return /"proofedIdentityId":"([^"]+)"/.exec(verified.body)[1];
}

/** Requests the replay of a failed delivery, which must be the same message without its metadata. */
async function replay(driver, receiver, patient) {
  receiver.refuses = true;
  await driver.consolidated(patient.id, "json", undefined, "completed");
  await driver.failedDeliveries(1);
  receiver.refuses = false;
  await driver.sdk.retryWebhookRequests();
  await driver.failedDeliveries(0);
  const lost = receiver.deliveries.find(({ refused }) => refused).event.meta;
  // The count falls when the stand-in sends the replay, which is before it arrives.
  const arrived = ({ event, refused }) => !refused && event.meta.messageId === lost.messageId;
  const again = (await until("the replay arrives", () => receiver.deliveries.find(arrived))).event.meta;
  if (again.when !== lost.when || !lost.data || again.data) throw new Error("a replay differs from Metriport's");
}

/** Problems of the webhooks, and the number of each kind. */
function judgeWebhooks(deliveries, key) {
  const kinds = {};
  const problems = [];
  for (const { body, event, signature } of deliveries) {
    const status = event.payload?.source?.status ?? event.patients?.[0]?.status;
    const kind = [event.meta.type, status].filter(Boolean).join(" ");
    kinds[kind] = (kinds[kind] ?? 0) + 1;
    if (!MetriportMedicalApi.verifyWebhookSignature(key, body, signature)) problems.push(`${kind}: its signature does not verify`);
    problems.push(...problemsOf(event).map((problem) => `${kind}: ${problem}`));
  }
  problems.push(...DUE.filter((kind) => !kinds[kind]).map((kind) => `${kind}: none arrived`));
  return { kinds, problems };
}

function problemsOf(event) {
  const known = webhookRequestSchema.safeParse(event).success;
  if (event.meta.type in UNKNOWN_TYPES) {
    const envelope = webhookMetadataSchema.safeParse(event.meta).success ? [] : ["its envelope does not parse"];
    return known ? ["the schema has it: the list of unknown types is stale"] : envelope;
  }
  return known ? [] : ["it does not parse"];
}

/** The gaps of the SDK, by its source and its requests. */
function sdkLacks(driver) {
  const source = MetriportMedicalApi.toString();
  const [start] = driver.sent.filter(({ url, data }) => url.endsWith("/network/query") && data);
  const options = JSON.stringify([start.params, start.data, start.headers]);
  const lacking = [
    !source.includes("/identity/session"),
    !source.includes("/aal2/challenge"),
    !/purposeOfUse|proofedIdentityId|x-aal2-session/.test(options),
  ];
  return SDK_LACKS.filter((_, index) => lacking[index]);
}

/** Calls each method that was not called yet: the list must have it, and the stand-in must not. */
async function standInLacks(driver) {
  const helpers = ["constructor", "lastRequestId", "verifyWebhookSignature"];
  const methods = Object.getOwnPropertyNames(MetriportMedicalApi.prototype);
  const left = methods.filter((name) => !driver.driven.has(name) && !helpers.includes(name));
  const problems = Object.keys(STAND_IN_LACKS)
    .filter((name) => !left.includes(name))
    .map((name) => `${name} is listed as lacking, and was called`);
  for (const name of left) {
    const listed = STAND_IN_LACKS[name];
    if (!listed) problems.push(`${name} is neither called nor listed as lacking`);
    else if (!(await isUnknownRoute(driver, name, listed.args))) problems.push(`the stand-in serves ${name}: the list is stale`);
  }
  return { lacking: left.length, problems };
}

async function isUnknownRoute(driver, name, args) {
  try {
    await driver.sdk[name](...args);
    return false;
  } catch (error) {
    return error.response?.status === 404 && error.response.data?.message === "Not Found";
  }
}

/** Shows that the judge notices a wrong signature and a wrong body. */
function checkJudges({ body, event, signature }, key) {
  const changed = Buffer.concat([body, Buffer.from(" ")]);
  const { externalId: _, patientId: __, ...payload } = event.payload;
  if (MetriportMedicalApi.verifyWebhookSignature(key, changed, signature)) throw new Error("the signature of a changed body verifies");
  if (problemsOf({ ...event, payload }).length === 0) throw new Error("a webhook without its patient parses");
}

/** One run: the kinds of webhooks, the problems, and the result of `further`. */
async function runOnce(variants, further) {
  const standIn = await startStandIn([...SWITCHES, ...variants.flatMap((variant) => ["--variant", variant])]);
  const receiver = await startReceiver();
  try {
    const driver = new Driver(standIn.about);
    const key = await drive(driver, receiver);
    checkJudges(receiver.deliveries.find(({ event }) => event.meta.type === "network-query.hie"), key);
    return { ...judgeWebhooks(receiver.deliveries, key), ...(await further(driver)) };
  } finally {
    receiver.stop();
    standIn.stop();
  }
}

/** The gaps of both sides, and where they differ from the lists. */
async function lacks(driver) {
  const calls = driver.driven.size;
  const missing = sdkLacks(driver);
  const stale = SDK_LACKS.filter((one) => !missing.includes(one)).map((one) => `the SDK now has ${one}: the list is stale`);
  const { lacking, problems } = await standInLacks(driver);
  return { calls, missing, lacking, listProblems: [...stale, ...problems] };
}

async function judge() {
  const judged = [...RUNS.flat(), ...Object.keys(UNJUDGED)];
  const unjudged = (await knownVariants()).filter((variant) => !judged.includes(variant));
  const runs = await Promise.all(RUNS.map((variants, index) => runOnce(variants, index === 0 ? lacks : () => ({}))));
  const [{ calls, missing, lacking, listProblems }] = runs;
  const problems = [
    ...runs.flatMap((run) => run.problems),
    ...listProblems,
    ...unjudged.map((variant) => `the variant ${variant} is in no run`),
  ];
  const kinds = {};
  for (const [kind, count] of runs.flatMap((run) => Object.entries(run.kinds))) kinds[kind] = (kinds[kind] ?? 0) + count;
  const webhooks = Object.values(kinds).reduce((sum, count) => sum + count, 0);
  const counted = Object.entries(kinds).map(([kind, count]) => `${count} ${kind}`);
  problems.forEach((problem) => console.error(problem));
  console.log(
    `metriport-sdk: ${webhooks} webhooks in ${RUNS.length} runs with ${RUNS.flat().length} variants ` +
      `(${counted.sort().join(", ")}), ${calls} calls of the SDK, ${problems.length} problems; the SDK lacks ` +
      `${missing.length} (${missing.join("; ")}), the stand-in ${lacking} methods that we do not use`,
  );
  return problems.length === 0;
}

process.exitCode = (await judge()) ? 0 : 1;
