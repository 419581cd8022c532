// Makes all calls of the functions and of `ias` to the stand-in by the SDK, and parses every reply.

import {
  MetriportMedicalApi,
  consolidatedCountSchema,
  consolidatedQuerySchema,
  networkQueryStatusDtoSchema,
  patientSchema,
} from "./packages.mjs";
import { until } from "./stand-in.mjs";

const ADDRESS = { addressLine1: "10 Harbor St", city: "Columbus", state: "OH", zip: "43215", country: "USA" };
const SOURCES = { hie: { enabled: true }, pharmacy: { enabled: true }, lab: { enabled: true } };

/** The persons of Metriport's own sandbox (docs.metriport.com, page getting-started/sandbox). */
export const SANDBOX_PERSONS = [
  ["Jane", "Smith", "1996-02-10", "F"],
  ["Chris", "Smith", "1995-01-01", "M"],
  ["Ollie", "Brown", "1946-03-18", "M"],
  ["Andreas", "Brown", "1952-01-01", "M"],
  ["Kyla", "Fields", "1927-05-23", "F"],
];

export class Driver {
  constructor(about) {
    this.about = about;
    this.driven = new Set();
    const sdk = new MetriportMedicalApi(about.apiKey, { baseAddress: about.metriport });
    this.sent = [];
    sdk.api.interceptors.request.use((config) => {
      this.sent.push({ url: config.url, params: config.params, data: config.data, headers: config.headers });
      return config;
    });
    // Records the name of every called method.
    this.sdk = new Proxy(sdk, {
      get: (target, name) => {
        const value = target[name];
        if (typeof value !== "function") return value;
        return (...args) => {
          this.driven.add(name);
          return value.apply(target, args);
        };
      },
    });
  }

  async facilities() {
    const npi = "1234567893";
    const made = await this.sdk.createFacility({ name: "Example PHR Virtual Facility", npi, address: ADDRESS });
    const listed = await this.sdk.listFacilities();
    const read = await this.sdk.getFacility(made.id);
    equal("the facility", [listed.some(({ id }) => id === made.id), read.name], [true, made.name]);
  }

  async webhook(url) {
    const set = await this.sdk.updateSettings(url);
    const read = await this.sdk.getSettings();
    equal("the settings", [set.webhookUrl, read], [url, set]);
    equal("their types", [typeof read.id, typeof read.webhookKey], ["string", "string"]);
    await until("the webhook is enabled", async () => (await this.#webhookStatus()).webhookEnabled);
    return read.webhookKey;
  }

  /** The SDK has types for this reply, but no schema. */
  async #webhookStatus() {
    const status = await this.sdk.getWebhookStatus();
    const names = ["webhookEnabled", "webhookRequestsProcessing", "webhookRequestsFailed"];
    equal("the webhook's status", names.map((name) => typeof status[name]), ["boolean", "number", "number"]);
    return status;
  }

  async failedDeliveries(count) {
    await until(`${count} deliveries failed`, async () => (await this.#webhookStatus()).webhookRequestsFailed === count);
  }

  async patient(firstName, lastName, dob, genderAtBirth) {
    const externalId = `user-${firstName}`;
    const contact = [{ phone: "6145550142", email: "person@example.com" }];
    const asked = { firstName, lastName, dob, genderAtBirth, address: [ADDRESS], contact, externalId };
    const made = await this.sdk.createPatient(asked, this.about.parameters.FacilityId);
    const same = [
      made,
      await this.sdk.getPatient(made.id),
      await this.sdk.getPatientByExternalId(externalId),
      await this.sdk.matchPatient(asked),
    ];
    for (const patient of same) {
      patientSchema.parse(patient);
      equal("the patient", [patient.id, patient.externalId, patient.dob], [made.id, externalId, dob]);
    }
    return made;
  }

  async changePatient(patient) {
    const asked = { ...patient, lastName: "Quillon" };
    const changed = patientSchema.parse(await this.sdk.updatePatient(asked, this.about.parameters.FacilityId));
    equal("the changed patient", [changed.id, changed.lastName], [patient.id, "Quillon"]);
    await this.sdk.deletePatient(patient.id, this.about.parameters.FacilityId, changed.eTag);
  }

  /** Starts a network query by the SDK, and waits for its end. */
  async networkQuery(patientId, expected) {
    const started = await this.sdk.startNetworkQuery({ patientId, sources: SOURCES, metadata: { runId: "r-1" } });
    await this.#untilEnded(started.requestId, expected);
  }

  async #untilEnded(requestId, expected) {
    await until(`the query is ${expected}`, async () => {
      const status = await this.sdk.getNetworkQueryStatus({ requestId });
      return status.status === expected;
    });
  }

  async consolidated(patientId, conversionType, resources, expected) {
    const metadata = { runId: "r-1" };
    const { sdk } = this;
    const started = await sdk.startConsolidatedQuery(
      patientId, resources, undefined, undefined, conversionType, undefined, metadata,
    );
    parseConsolidated(started);
    const ended = await until("the consolidated query has ended", async () => {
      const status = await sdk.getSingleConsolidatedQueryStatus(patientId, started.requestId);
      return status.status !== "processing" && parseConsolidated(status);
    });
    equal("the consolidated query's end", ended.status, expected);
    const listed = await sdk.getConsolidatedQueryStatus(patientId);
    equal("the list", listed.queries.map(parseConsolidated).some((one) => one.requestId === ended.requestId), true);
  }

  async count(patientId) {
    const counted = consolidatedCountSchema.parse(await this.sdk.countPatientConsolidated(patientId));
    return counted.total;
  }

  /** Identity, challenge and query with purpose ias, by plain HTTP, because the SDK lacks these calls. */
  async individualAccess(patientId, proofedIdentityId) {
    const [identityReturn, aal2Return] = this.about.parameters.RedirectAllowlist.split(",");
    const session = await this.#post("/medical/v1/identity/session", { patientId, redirectUrl: identityReturn });
    equal("the way back", await this.#visit(session.sessionUrl), identityReturn);
    const identity = await proofedIdentityId(session.sessionId);
    const asked = { proofedIdentityId: identity, redirectUrl: aal2Return };
    const challenge = await this.#post("/medical/v1/identity/aal2/challenge", asked);
    const back = new URL(await this.#visit(challenge.challengeUrl));
    const body = { sources: SOURCES, proofedIdentityId: identity, metadata: { runId: "r-2" } };
    const path = `/medical/v1/network/query?patientId=${patientId}&purposeOfUse=ias`;
    const headers = { "x-aal2-session": back.searchParams.get("aal2SessionId") };
    const started = networkQueryStatusDtoSchema.parse(await this.#post(path, body, headers));
    await this.#untilEnded(started.requestId, "completed");
  }

  async #post(path, body, headers = {}) {
    const response = await fetch(`${this.about.metriport}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": this.about.apiKey, ...headers },
      body: JSON.stringify(body),
    });
    equal(path, response.ok, true);
    return response.json();
  }

  async #visit(page) {
    const response = await fetch(page, { redirect: "manual" });
    return response.headers.get("location");
  }
}

/** The schema expects a Date, which JSON can only hold as text. */
function parseConsolidated(query) {
  return consolidatedQuerySchema.parse({ ...query, startedAt: new Date(query.startedAt) });
}

function equal(what, found, expected) {
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    throw new Error(`${what}: ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`);
  }
}
