// Starts the sandbox and the page's servers, and drives the browser.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

/** Chromium as distributions package it, or Chrome. */
const BROWSERS = ["chromium", "chromium-browser", "google-chrome"].map((name) => join("/usr/bin", name));
const PATIENCE_MS = 240_000;
const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--no-proxy-server",
];
/** The accesses of a first pull. */
const LOGGED = [
  "consent_given", "linked", "session_opened", "identity_verified", "challenge_opened", "pull_accepted",
  "pull_started", "pull_ended", "record_stored", "link_minted",
];
/** Kinds of lines in an export. */
const EXPORTED = ["consent", "patient", "identity", "networkQuery", "networkQueryEvent", "record", "access log"];
/** Members of an available record. */
const HIDDEN = ["link", "sha256", "bytes", "counts"];
const EXPOSED = ["apigw-requestid", "idempotency-replayed", "ratelimit", "ratelimit-policy"];

/** Serves the page at a new port, and so from a new origin. */
async function serve() {
  const site = { config: {} };
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, "http://page").pathname;
    const [type, body] = path === "/config.json"
      ? ["application/json", JSON.stringify(site.config)]
      : path === "/page.js"
        ? ["text/javascript", await readFile(join(FOLDER, "page.js"))]
        : ["text/html", await readFile(join(FOLDER, "page.html"))];
    response.writeHead(200, { "content-type": type, "cache-control": "no-store" }).end(body);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  site.origin = `http://127.0.0.1:${server.address().port}`;
  site.close = () => server.closeAllConnections() ?? server.close();
  return site;
}

/** Starts `ias up`, and waits until it is ready. */
async function up(...args) {
  const child = spawn("target/debug/ias", ["up", ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((done) => child.on("exit", done));
  let printed = "";
  await new Promise((ready, failed) => {
    const timer = setTimeout(() => failed(new Error(`not ready in time: ${printed}`)), PATIENCE_MS);
    child.stdout.on("data", (text) => {
      printed += text;
      if (printed.includes("Ctrl-C stops everything.")) ready(clearTimeout(timer));
    });
    ended.then((status) => failed(new Error(`ended early with ${status}: ${printed}`)));
  });
  const api = /^export API=(.*)$/m.exec(printed)[1];
  return {
    api,
    async stop() {
      child.kill("SIGINT");
      assert.equal(await ended, 0, "the sandbox ends without an error");
    },
  };
}

/** The result of a site's page in a browser with an empty profile. */
async function visit(site, api, look = async () => {}) {
  site.config = { api };
  const profile = await mkdtemp(join(tmpdir(), "browser-judge-"));
  const executablePath = BROWSERS.find(existsSync);
  const browser = await chromium.launchPersistentContext(profile, { executablePath, args: FLAGS });
  try {
    const page = browser.pages()[0] ?? (await browser.newPage());
    await page.goto(site.origin);
    await page.waitForFunction(() => window.result, null, { timeout: PATIENCE_MS });
    const result = await page.evaluate(() => window.result);
    await look(page, result);
    return result;
  } finally {
    await browser.close();
    await rm(profile, { recursive: true, force: true });
  }
}

/** Whether a page may read the answer to a fetch. */
const reads = (page, url) => page.evaluate((url) => fetch(url).then(() => true, () => false), url);

const began = performance.now();
const [listed, unlisted] = [await serve(), await serve()];
const sandbox = await up("--origin", listed.origin, "--redirect", `${listed.origin}/back`);
const result = await visit(listed, sandbox.api, async (page, result) => {
  if (result.error) return;
  assert.ok(await reads(page, result.link), "the listed origin reads the link");
  if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT });
});
assert.equal(result.error, undefined);
assert.deepEqual(result.headers, EXPOSED, "the page reads every exposed header");
assert.ok(result.etag, "the page reads the bucket's exposed headers");
assert.deepEqual(LOGGED.filter((access) => !result.accesses.includes(access)), [], "the person's log names each access");
assert.deepEqual(EXPORTED.filter((kind) => !result.exported.includes(kind)), [], "the export has each kind of state and the log");
assert.equal(result.reported.status, "quarantined");
assert.equal(result.hidden.status, "quarantined");
const shown = HIDDEN.filter((member) => member in result.hidden);
assert.deepEqual(shown, [], "a quarantined record shows nothing of its object");
assert.equal(result.receipt.patient, "deleted");
assert.ok(result.receipt.deleted.objects >= 1 && result.receipt.deleted.items["OWNER#/RUN#"] === 1, "the receipt counts record and pull");
const refused = await visit(unlisted, sandbox.api, async (page) => {
  assert.ok(!(await reads(page, result.link)), "no other origin reads the link");
});
assert.match(refused.error, /Failed to fetch/);
await sandbox.stop();

const closed = await up("--redirect", `${listed.origin}/back`);
assert.match((await visit(listed, closed.api)).error, /Failed to fetch/, "without --origin no page reads a reply");
await closed.stop();
[listed, unlisted].forEach((site) => site.close());

const secs = ((performance.now() - began) / 1000).toFixed(1);
console.log(
  `browser: 1 record of ${result.entries} resources and ${result.bytes} bytes pulled from another origin, hash correct, ` +
    `${result.replies} replies and ${result.headers.length} exposed headers read; its ${result.accesses.length} accesses listed, ` +
    `everything exported in ${result.exported.length} lines, ` +
    `reported as another person's and hidden; erased with a receipt; 2 unlisted origins refused; ${secs} s`,
);
