//! The codes a record is made of. Meanings are those of the code systems' owners: SNOMED CT (snomed.org), ICD-10-CM
//! (cdc.gov/nchs/icd), LOINC (loinc.org), RxNorm (nlm.nih.gov/research/umls/rxnorm), HL7 (terminology.hl7.org).

use super::fhir::{Coding, ICD10};

/// A diagnosis in both code systems US records carry.
#[derive(Clone, Copy)]
pub(super) struct Ailment {
    pub snomed: Coding,
    pub icd10: Coding,
}

const fn ailment(snomed: &'static str, icd10: &'static str, name: &'static str, icd10_name: &'static str) -> Ailment {
    Ailment {
        snomed: Coding::snomed(snomed, name),
        icd10: Coding::new(ICD10, icd10, icd10_name),
    }
}

pub(super) const HYPERTENSION: Ailment = ailment(
    "59621000",
    "I10",
    "Essential hypertension",
    "Essential (primary) hypertension",
);
pub(super) const DIABETES: Ailment = ailment(
    "44054006",
    "E11.9",
    "Diabetes mellitus type 2",
    "Type 2 diabetes mellitus without complications",
);
pub(super) const HYPERLIPIDEMIA: Ailment =
    ailment("55822004", "E78.5", "Hyperlipidemia", "Hyperlipidemia, unspecified");
pub(super) const ASTHMA: Ailment = ailment("195967001", "J45.909", "Asthma", "Unspecified asthma, uncomplicated");
pub(super) const RHINITIS: Ailment = ailment(
    "367498001",
    "J30.2",
    "Seasonal allergic rhinitis",
    "Other seasonal allergic rhinitis",
);

/// What passes within weeks.
pub(super) const ACUTE: [Ailment; 4] = [
    ailment(
        "195662009",
        "J02.9",
        "Acute viral pharyngitis",
        "Acute pharyngitis, unspecified",
    ),
    ailment("10509002", "J20.9", "Acute bronchitis", "Acute bronchitis, unspecified"),
    ailment("444814009", "J01.90", "Viral sinusitis", "Acute sinusitis, unspecified"),
    ailment(
        "54150009",
        "J06.9",
        "Upper respiratory infection",
        "Acute upper respiratory infection, unspecified",
    ),
];

/// A medicine as it is prescribed.
#[derive(Clone, Copy)]
pub(super) struct Medicine {
    pub code: Coding,
    pub dosage: &'static str,
    /// Doses per day; 0 is as needed.
    pub per_day: i64,
    /// Form dispensed and its UCUM unit.
    pub unit: (&'static str, &'static str),
}

const TABLET: (&str, &str) = ("tablet", "{tbl}");

const fn tablets(rxnorm: &'static str, name: &'static str, dosage: &'static str, per_day: i64) -> Medicine {
    Medicine {
        code: Coding::rxnorm(rxnorm, name),
        dosage,
        per_day,
        unit: TABLET,
    }
}

pub(super) const LISINOPRIL: Medicine = tablets(
    "314076",
    "lisinopril 10 MG Oral Tablet",
    "Take 1 tablet by mouth once daily",
    1,
);
pub(super) const METFORMIN: Medicine = tablets(
    "861007",
    "metformin hydrochloride 500 MG Oral Tablet",
    "Take 1 tablet by mouth twice daily with meals",
    2,
);
pub(super) const ATORVASTATIN: Medicine = tablets(
    "617310",
    "atorvastatin 20 MG Oral Tablet",
    "Take 1 tablet by mouth at bedtime",
    1,
);
pub(super) const CETIRIZINE: Medicine = tablets(
    "1014678",
    "cetirizine hydrochloride 10 MG Oral Tablet",
    "Take 1 tablet by mouth once daily in season",
    1,
);
pub(super) const ACETAMINOPHEN: Medicine = tablets(
    "313782",
    "acetaminophen 325 MG Oral Tablet",
    "Take 2 tablets by mouth every 6 hours as needed for fever",
    0,
);
pub(super) const ALBUTEROL: Medicine = Medicine {
    code: Coding::rxnorm("745679", "200 ACTUAT albuterol 0.09 MG/ACTUAT Metered Dose Inhaler"),
    dosage: "Inhale 2 puffs every 4 to 6 hours as needed for wheezing",
    per_day: 0,
    unit: ("inhaler", "{inhaler}"),
};

/// A long-lasting problem, its treatment, and the age from which it is given here.
pub(super) struct Problem {
    pub ailment: Ailment,
    pub medicine: Medicine,
    pub age_min: i64,
}

/// Of later life.
pub(super) const METABOLIC: [Problem; 3] = [
    Problem {
        ailment: HYPERTENSION,
        medicine: LISINOPRIL,
        age_min: 30,
    },
    Problem {
        ailment: DIABETES,
        medicine: METFORMIN,
        age_min: 30,
    },
    Problem {
        ailment: HYPERLIPIDEMIA,
        medicine: ATORVASTATIN,
        age_min: 30,
    },
];

/// Of earlier life.
pub(super) const AIRWAYS: [Problem; 2] = [
    Problem {
        ailment: ASTHMA,
        medicine: ALBUTEROL,
        age_min: 5,
    },
    Problem {
        ailment: RHINITIS,
        medicine: CETIRIZINE,
        age_min: 6,
    },
];

pub(super) const ALLERGIES: [(Coding, &str); 3] = [
    (Coding::snomed("91936005", "Allergy to penicillin"), "medication"),
    (Coding::snomed("91935009", "Allergy to peanut"), "food"),
    (Coding::snomed("300916003", "Latex allergy"), "environment"),
];

pub(super) const RECONCILIATION: Coding = Coding::snomed("430193006", "Medication reconciliation");
pub(super) const DEPRESSION_SCREENING: Coding = Coding::snomed("171207006", "Depression screening");
pub(super) const COLONOSCOPY: Coding = Coding::snomed("73761001", "Colonoscopy");

const fn hl7(system: &'static str, code: &'static str, display: &'static str) -> Coding {
    Coding::new(system, code, display)
}

const OBSERVATION_CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const INTERPRETATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation";
const CONDITION_CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/condition-category";
const CONDITION_CLINICAL: &str = "http://terminology.hl7.org/CodeSystem/condition-clinical";
const ALLERGY_CLINICAL: &str = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical";

pub(super) const VITAL_SIGNS: Coding = hl7(OBSERVATION_CATEGORY, "vital-signs", "Vital Signs");
pub(super) const LABORATORY: Coding = hl7(OBSERVATION_CATEGORY, "laboratory", "Laboratory");
pub(super) const SOCIAL_HISTORY: Coding = hl7(OBSERVATION_CATEGORY, "social-history", "Social History");
pub(super) const LAB_REPORT: Coding = hl7("http://terminology.hl7.org/CodeSystem/v2-0074", "LAB", "Laboratory");
pub(super) const HIGH: Coding = hl7(INTERPRETATION, "H", "High");
pub(super) const LOW: Coding = hl7(INTERPRETATION, "L", "Low");
pub(super) const NORMAL: Coding = hl7(INTERPRETATION, "N", "Normal");
pub(super) const PROBLEM_LIST: Coding = hl7(CONDITION_CATEGORY, "problem-list-item", "Problem List Item");
pub(super) const DIAGNOSIS: Coding = hl7(CONDITION_CATEGORY, "encounter-diagnosis", "Encounter Diagnosis");
pub(super) const ACTIVE: Coding = hl7(CONDITION_CLINICAL, "active", "Active");
pub(super) const RESOLVED: Coding = hl7(CONDITION_CLINICAL, "resolved", "Resolved");
pub(super) const CONFIRMED: Coding = hl7(
    "http://terminology.hl7.org/CodeSystem/condition-ver-status",
    "confirmed",
    "Confirmed",
);
pub(super) const ALLERGY_ACTIVE: Coding = hl7(ALLERGY_CLINICAL, "active", "Active");
pub(super) const ALLERGY_CONFIRMED: Coding = hl7(
    "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification",
    "confirmed",
    "Confirmed",
);
pub(super) const CLINICAL_NOTE: Coding = hl7(
    "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
    "clinical-note",
    "Clinical Note",
);
