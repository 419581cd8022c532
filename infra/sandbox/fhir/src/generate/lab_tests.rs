//! The laboratory tests a record knows: LOINC code, unit (printed as in UCUM), decimal places and usual limits for
//! adults.

use super::fhir::Coding;
use super::measure::Measure;

const fn test(
    (code, display): (&'static str, &'static str),
    unit: &'static str,
    places: u32,
    (low, high): (Option<i64>, Option<i64>),
) -> Measure {
    Measure {
        code: Coding::loinc(code, display),
        unit: (unit, unit),
        places,
        low,
        high,
    }
}

const fn between(low: i64, high: i64) -> (Option<i64>, Option<i64>) {
    (Some(low), Some(high))
}

pub(super) const A1C: Measure = test(
    ("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"),
    "%",
    1,
    between(40, 56),
);

pub(super) const LIPID_PANEL: Coding = Coding::loinc("57698-3", "Lipid panel with direct LDL - Serum or Plasma");
pub(super) const CHOLESTEROL: Measure = test(
    ("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma"),
    "mg/dL",
    0,
    (None, Some(199)),
);
pub(super) const TRIGLYCERIDES: Measure = test(
    ("2571-8", "Triglyceride [Mass/volume] in Serum or Plasma"),
    "mg/dL",
    0,
    (None, Some(149)),
);
pub(super) const HDL: Measure = test(
    ("2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma"),
    "mg/dL",
    0,
    (Some(40), None),
);
pub(super) const LDL: Measure = test(
    (
        "18262-6",
        "Cholesterol in LDL [Mass/volume] in Serum or Plasma by Direct assay",
    ),
    "mg/dL",
    0,
    (None, Some(99)),
);

pub(super) const METABOLIC_PANEL: Coding = Coding::loinc("51990-0", "Basic metabolic panel - Blood");
pub(super) const GLUCOSE: Measure = test(
    ("2345-7", "Glucose [Mass/volume] in Serum or Plasma"),
    "mg/dL",
    0,
    between(70, 99),
);
/// The rest of the panel, with the range values are drawn from.
pub(super) const METABOLIC: [(Measure, i64, i64); 7] = [
    (
        test(
            ("3094-0", "Urea nitrogen [Mass/volume] in Serum or Plasma"),
            "mg/dL",
            0,
            between(7, 20),
        ),
        9,
        19,
    ),
    (
        test(
            ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma"),
            "mg/dL",
            2,
            between(60, 130),
        ),
        72,
        118,
    ),
    (
        test(
            ("2951-2", "Sodium [Moles/volume] in Serum or Plasma"),
            "mmol/L",
            0,
            between(135, 145),
        ),
        136,
        144,
    ),
    (
        test(
            ("2823-3", "Potassium [Moles/volume] in Serum or Plasma"),
            "mmol/L",
            1,
            between(35, 51),
        ),
        37,
        49,
    ),
    (
        test(
            ("2075-0", "Chloride [Moles/volume] in Serum or Plasma"),
            "mmol/L",
            0,
            between(98, 107),
        ),
        99,
        106,
    ),
    (
        test(
            ("2028-9", "Carbon dioxide, total [Moles/volume] in Serum or Plasma"),
            "mmol/L",
            0,
            between(22, 29),
        ),
        23,
        28,
    ),
    (
        test(
            ("17861-6", "Calcium [Mass/volume] in Serum or Plasma"),
            "mg/dL",
            1,
            between(86, 103),
        ),
        88,
        101,
    ),
];

pub(super) const BLOOD_COUNT: Coding = Coding::loinc("58410-2", "CBC panel - Blood by Automated count");
pub(super) const LEUKOCYTES: Measure = test(
    ("6690-2", "Leukocytes [#/volume] in Blood by Automated count"),
    "10*3/uL",
    1,
    between(40, 110),
);
pub(super) const ERYTHROCYTES: Measure = test(
    ("789-8", "Erythrocytes [#/volume] in Blood by Automated count"),
    "10*6/uL",
    2,
    between(380, 570),
);
pub(super) const HEMOGLOBIN: Measure = test(
    ("718-7", "Hemoglobin [Mass/volume] in Blood"),
    "g/dL",
    1,
    between(115, 175),
);
pub(super) const HEMATOCRIT: Measure = test(
    ("4544-3", "Hematocrit [Volume Fraction] of Blood by Automated count"),
    "%",
    1,
    between(350, 500),
);
pub(super) const PLATELETS: Measure = test(
    ("777-3", "Platelets [#/volume] in Blood by Automated count"),
    "10*3/uL",
    0,
    between(150, 400),
);
