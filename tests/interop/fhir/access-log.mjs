// Reads the access log of a person of the sandbox as FHIR: a Bundle of AuditEvent.

import { execFile, spawn } from "node:child_process";
import { promisify } from "node:util";

const READY = "Ctrl-C stops everything.";
const START_MILLIS_MAX = 120_000;

const run = promisify(execFile);

/** Starts `ias up`; returns the process and the printed text. */
function up(ias) {
  const child = spawn(ias, ["up"], { stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    let printed = "";
    const timer = setTimeout(() => reject(new Error("ias up does not start")), START_MILLIS_MAX);
    child.once("exit", (code) => reject(new Error(`ias up ended with ${code}`)));
    child.stdout.on("data", (data) => {
      printed += data;
      if (printed.includes(READY)) {
        clearTimeout(timer);
        resolve({ child, printed });
      }
    });
  });
}

/** The lines that `ias up` prints for a shell, which pull a record. */
function pastedLines(printed) {
  const lines = printed.split("\n");
  const begin = lines.findIndex((line) => line.startsWith("Paste these lines"));
  const end = lines.findIndex((line) => /^echo .Another/.test(line));
  if (begin < 0 || end < 0) throw new Error("ias up prints no lines to paste");
  return lines.slice(begin + 1, end).join("\n");
}

/** The value of a variable that the lines export. */
function exported(printed, name) {
  return printed.match(new RegExp(`^export ${name}=(.*)$`, "m"))[1].replace(/^['"]|['"]$/g, "");
}

/** All pages of the log of a person who has pulled a record, as one list of Bundles. */
export async function accessLog(ias, folder) {
  const { child, printed } = await up(ias);
  try {
    await run("bash", ["-c", pastedLines(printed)], { cwd: folder, timeout: 300_000 });
    const [api, token] = [exported(printed, "API"), exported(printed, "TOKEN")];
    const bundles = [];
    for (let path = "/v1/me/access-log"; path; ) {
      const headers = { authorization: `Bearer ${token}`, accept: "application/fhir+json" };
      const reply = await fetch(api + path, { headers });
      if (!reply.ok) throw new Error(`the access log answered ${reply.status}`);
      const bundle = await reply.json();
      bundles.push(bundle);
      path = bundle.link.find((link) => link.relation === "next")?.url;
    }
    return bundles;
  } finally {
    child.removeAllListeners("exit");
    child.kill("SIGINT");
    await new Promise((resolve) => child.once("close", resolve));
  }
}
