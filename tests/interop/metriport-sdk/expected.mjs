// What the packages and the stand-in are known to lack, each with its reason. The judge fails when something else is
// lacking, and when something of these is there: then this list is stale.

const ID = "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d";

/** Types of webhooks that the published schema does not know. */
export const UNKNOWN_TYPES = {
  "ias.identity.verified": "documented (page api-reference/ias/create-identity-session), and in no package",
  "patient.discharge-summary": "newer than the packages",
};

/** Runs of the judge, by the variants that the stand-in sends in each: some exclude each other. */
export const RUNS = [
  [],
  ["null-filters", "null-entry", "retried-source", "ids-under-patients", "test-events", "foreign-query"],
  ["no-filters", "no-entry", "ids-under-patient", "padded-gzip"],
  ["few-filters", "foreign-session", "odd-value"],
];

/** Variants that are in no run. */
export const UNJUDGED = {
  "skipped-source": "the published schema does not know the word, though the code beside it does",
};

/** What we use of the API and the SDK cannot do. */
export const SDK_LACKS = [
  "POST /medical/v1/identity/session",
  "POST /medical/v1/identity/aal2/challenge",
  "purposeOfUse, proofedIdentityId and x-aal2-session of POST /medical/v1/network/query",
];

const UNUSED = "no function and no command of ours calls it";

/** Methods of the SDK that the stand-in does not serve: arguments to call them with, and why not. */
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
  ...lacks("deprecated: bound by the gateway's 29 s, while ours is streamed from a link", {
    getPatientConsolidated: [ID],
  }),
};

function lacks(reason, methods) {
  return Object.fromEntries(Object.entries(methods).map(([name, args]) => [name, { args, reason }]));
}
