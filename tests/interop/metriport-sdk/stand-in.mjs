// A running stand-in, and a receiver of its webhooks.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

const WAIT_MILLIS_MAX = 60_000;

/** Starts `ias stand-in`, and reads the facts that a deployment needs. */
export async function startStandIn(args) {
  const child = spawn("target/debug/ias", ["stand-in", "--json", ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout }), "line"),
    once(child, "exit").then(() => Promise.reject(new Error("the stand-in did not start"))),
  ]);
  return { about: JSON.parse(line), stop: () => child.kill() };
}

/** All variants, as the refusal of an unknown one lists them. */
export function knownVariants() {
  return new Promise((resolve) => {
    execFile("target/debug/ias", ["stand-in", "--variant", "none"], (_error, _stdout, stderr) => {
      resolve(/one of ([a-z, -]+)/.exec(stderr)[1].trim().split(", "));
    });
  });
}

/** Accepts all webhooks, and answers pings as Metriport requires. */
export async function startReceiver() {
  const deliveries = [];
  const receiver = { deliveries, refuses: false };
  const server = createServer(async (request, response) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const body = Buffer.concat(pieces);
    const event = JSON.parse(body.toString());
    deliveries.push({ body, event, signature: request.headers["x-metriport-signature"], refused: receiver.refuses });
    response.writeHead(receiver.refuses ? 500 : 200, { "content-type": "application/json" });
    response.end(event.meta.type === "ping" ? JSON.stringify({ pong: event.ping }) : "");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  return Object.assign(receiver, { url: `http://127.0.0.1:${port}/hook`, stop: () => server.close() });
}

/** Repeats `ask` until its answer is truthy, for a bounded time. */
export async function until(what, ask) {
  const end = Date.now() + WAIT_MILLIS_MAX;
  while (Date.now() < end) {
    const answer = await ask();
    if (answer) return answer;
    await delay(50);
  }
  throw new Error(`not within the time limit: ${what}`);
}
