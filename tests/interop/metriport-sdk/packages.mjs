// Metriport's published packages, loaded by `require`.

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
