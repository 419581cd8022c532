// The app: one page that runs the whole flow. It leaves for the hosted pages and returns, so it keeps its state in
// `sessionStorage`. `journey.mjs` reads `window.result`.

const EXPOSED = ["apigw-requestid", "idempotency-replayed", "ratelimit", "ratelimit-policy"];
const PERSON = {
  firstName: "Jane", lastName: "Quill", dob: "1974-07-19", genderAtBirth: "F",
  address: [{ addressLine1: "77 Birch Ln", city: "Dayton", state: "OH", zip: "45402" }],
  contact: [{ phone: "9375550142" }],
};
const SOURCES = { hie: { enabled: true }, pharmacy: { enabled: true }, lab: { enabled: true } };
const BACK = `${location.origin}/back`;

const { api } = await (await fetch("/config.json")).json();
const known = JSON.parse(sessionStorage.getItem("known") ?? '{ "step": "start", "replies": 0, "headers": [] }');

function tell(text) {
  const item = document.createElement("li");
  item.textContent = text;
  document.querySelector("#steps").append(item);
}

function keep() {
  sessionStorage.setItem("known", JSON.stringify(known));
}

/** Calls the API. Throws unless the reply is a success. */
async function call(method, path, body, headers = {}) {
  const response = await fetch(api + path, {
    method,
    headers: { authorization: `Bearer ${known.token}`, "content-type": "application/json", ...headers },
    body: body && JSON.stringify(body),
  });
  known.replies += 1;
  known.headers = EXPOSED.filter((name) => response.headers.has(name) || known.headers.includes(name));
  const reply = await response.json();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${reply.code}`);
  return reply;
}

async function until(ask) {
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    await new Promise((done) => setTimeout(done, 200));
  }
}

function leave(step, url) {
  known.step = step;
  keep();
  location.assign(url);
}

async function hash(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Exports everything that is stored about the person; returns the lines of the states. */
async function exportAll() {
  const asked = await call("POST", "/v1/me/exports");
  const complete = await until(async () => {
    const shown = await call("GET", asked.next.url);
    return shown.next.action !== "read_export" && shown;
  });
  const lines = [];
  for (const part of complete.parts) {
    const bytes = await (await fetch(part.link.url)).arrayBuffer();
    if (await hash(bytes) !== part.sha256 || bytes.byteLength !== part.bytes) throw new Error(`${part.name} differs from its size and hash`);
    const text = new TextDecoder().decode(bytes).trimEnd();
    lines.push(...text.split("\n").filter(Boolean).map((line) => JSON.parse(line)));
  }
  return { parts: complete.parts.length, lines };
}

const steps = {
  async start() {
    const token = await fetch(`${api}/token?subject=person-in-a-browser`);
    known.token = (await token.json()).access_token;
    const { notice } = await call("GET", "/v1/me/consent");
    const consent = { noticeVersion: notice.version, noticeSha256: notice.sha256, scopes: ["pull"], locale: "en" };
    await call("PUT", "/v1/me/consent", consent);
    tell(`consented to notice ${notice.version}`);
    await call("PUT", "/v1/patient", PERSON);
    tell("linked to a patient");
    const session = await call("POST", "/v1/identity-sessions", { redirectUrl: BACK });
    leave("identity", session.sessionUrl);
  },

  async identity() {
    await until(async () => (await call("GET", "/v1/identity")).status === "verified");
    tell("identity verified");
    const key = { "idempotency-key": crypto.randomUUID() };
    const challenge = await call("POST", "/v1/aal2-challenges", { redirectUrl: BACK }, key);
    const again = await call("POST", "/v1/aal2-challenges", { redirectUrl: BACK }, key);
    if (again.challengeId !== challenge.challengeId) throw new Error("another challenge under the same key");
    known.challengeId = challenge.challengeId;
    leave("challenge", challenge.challengeUrl);
  },

  async challenge() {
    const back = new URLSearchParams(location.search);
    history.replaceState(null, "", "/back");
    const body = { challengeId: known.challengeId, aal2Status: back.get("status"), sources: SOURCES };
    const { id } = await call("POST", "/v1/network-queries", body, { "x-aal2-session": back.get("aal2SessionId") });
    tell("challenge passed, networks asked");
    const ended = await until(async () => {
      const query = await call("GET", `/v1/network-queries/${id}`);
      return query.next.action !== "wait" && query;
    });
    tell(`networks answered: ${ended.status}`);
    const record = await call("GET", ended.next.url);
    const answer = await fetch(record.link.url);
    const bytes = await answer.arrayBuffer();
    const sha256 = await hash(bytes);
    const entries = JSON.parse(new TextDecoder().decode(bytes)).entry.length;
    if (sha256 !== record.sha256 || bytes.byteLength !== record.bytes) throw new Error("the bytes differ from the size and hash in the record");
    tell(`record of ${entries} resources, ${bytes.byteLength} bytes, sha256 correct: ${sha256}`);
    const log = await call("GET", "/v1/me/access-log");
    const accesses = log.unsealed.entries.map((entry) => entry.what);
    tell(`my log of today: ${accesses.join(", ")}`);
    const exported = await exportAll();
    tell(`exported ${exported.lines.length} lines in ${exported.parts} files, each hash correct`);
    const reported = await call("POST", `${ended.next.url}/not-me`, { reason: "other_person" });
    const hidden = await call("GET", ended.next.url);
    tell(`reported as another person's: the record is ${hidden.status}`);
    const asked = await call("DELETE", "/v1/me");
    const erased = await until(async () => {
      // The receipt id is the only credential.
      const erasure = await (await fetch(api + asked.next.url)).json();
      return erasure.status === "erased" && erasure;
    });
    const receipt = JSON.parse(erased.receipt.statement);
    tell(`erased: ${receipt.deleted.objects} object, the patient at Metriport is ${receipt.patient}; what remains ends by itself`);
    window.result = {
      receipt,
      bytes: bytes.byteLength, entries, replies: known.replies, headers: known.headers,
      etag: answer.headers.has("etag"), link: record.link.url, accesses, reported, hidden,
      exported: exported.lines.map((line) => line.kind ?? "access log"),
    };
    document.querySelector("#end").textContent = "Done.";
  },
};

try {
  tell(`step "${known.step}" from ${location.origin}`);
  await steps[known.step]();
} catch (error) {
  window.result = { error: String(error) };
  document.querySelector("#end").textContent = String(error);
}
