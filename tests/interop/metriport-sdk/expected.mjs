// Known gaps of the packages and of the stand-in, each with its reason. The judge fails if it finds another gap, or if
// a listed gap no longer exists, because then the list is stale.

const ID = "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d";

/** Types of webhooks that are not in the published schema. */
export const UNKNOWN_TYPES = {
  "ias.identity.verified": "documented (page api-reference/ias/create-identity-session), but not in any package",
  "patient.discharge-summary": "newer than the packages",
};

/** The variants that the stand-in sends in each run of the judge. Some exclude each other. */
export const RUNS = [
  [],
  ["null-filters", "null-entry", "retried-source", "ids-under-patients", "test-events", "foreign-query"],
  ["no-filters", "no-entry", "ids-under-patient", "padded-gzip"],
  ["few-filters", "foreign-session", "odd-value"],
];

/** Variants that no run sends. */
export const UNJUDGED = {
  "skipped-source": "the published schema lacks this word, but code in the same package has it",
};

/** Calls and options that we use and the SDK lacks. */
export const SDK_LACKS = [
  "POST /medical/v1/identity/session",
  "POST /medical/v1/identity/aal2/challenge",
  "purposeOfUse, proofedIdentityId and x-aal2-session of POST /medical/v1/network/query",
];

const UNUSED = "neither our functions nor `ias` call it";

/** Methods of the SDK that the stand-in does not serve, with arguments for a call and the reason. */
export const STAND_IN_LACKS = {
  ...lacks(UNUSED, {
    createOrganization: [{}],
    updateOrganization: [{ id: ID }],
    getOrganization: [],
    updateFacility: [{ id: ID }],
    deleteFacility: [ID],
    listNetworkEntries: [],
    listNetworkEntriesPage: ["/network-entry"],
    sendMessage: [{ patientId: ID }],
    listMessages: [],
    listMessagesPage: ["/message"],
    getMessage: [ID],
    syncPatient: [ID],
    updatePatientHieOptOut: [ID, true],
    updatePatientTreatmentRelationship: [ID, true],
    setPatientFacilities: [ID, [ID]],
    getPatientFacilities: [ID],
    createPatientConsolidated: [ID, {}],
    getPatientMedicalRecord: [ID, "pdf"],
    listPatients: [],
    listPatientsPage: ["/patient"],
    deleteCohort: [ID],
    updateCohort: [{ id: ID }],
    getCohort: [ID],
    listCohorts: [],
    addPatientsToCohort: [{ cohortId: ID, patientIds: [ID] }],
    removePatientsFromCohort: [{ cohortId: ID, patientIds: [ID] }],
    listPatientsInCohort: [{ id: ID }],
    getCohortPatientsPage: [`/cohort/${ID}/patient`],
    addPatientToCohorts: [ID, [ID]],
    listCohortsForPatient: [ID],
    listDocuments: [ID],
    listDocumentsAsDTO: [ID],
    startDocumentQuery: [ID],
    startBulkGetDocumentUrl: [ID],
    getDocumentQueryStatus: [ID],
    getDocumentUrl: ["file"],
    getDocumentUploadUrl: [ID, {}],
    createDocumentReference: [ID, {}],
    createEmbedToken: [{}],
  }),
  ...lacks("deprecated: limited to 29 s by the gateway, while we stream the record from a link", {
    getPatientConsolidated: [ID],
  }),
};

function lacks(reason, methods) {
  return Object.fromEntries(Object.entries(methods).map(([name, args]) => [name, { args, reason }]));
}
