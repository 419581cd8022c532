// Metriport's published packages, as they are required from a module.

import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

export const {
  MetriportMedicalApi,
  consolidatedCountSchema,
  consolidatedQuerySchema,
  networkQueryStatusDtoSchema,
  patientSchema,
} = require("@metriport/api-sdk");
export const { webhookMetadataSchema, webhookRequestSchema } = require("@metriport/shared/medical");
