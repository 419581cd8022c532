//! Whether the values of a generated record make sense.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::date;
use sandbox_fhir::{Gender, generate};
use serde_json::Value;

use crate::people::{codes, parsed, samples};
use crate::support::{TODAY, person};

/// Value, limits and interpretation of each coded quantity of an Observation, its components included.
fn quantities(resource: &Value) -> Vec<(String, f64, Value)> {
    let components = resource["component"].as_array().cloned().unwrap_or_default();
    let parts = std::iter::once(resource.clone()).chain(components);
    let with_value = parts.filter(|part| part["valueQuantity"].is_object());
    with_value
        .map(|part| {
            (
                codes(&part, "code", "http://loinc.org")[0].clone(),
                part["valueQuantity"]["value"].as_f64().unwrap(),
                part,
            )
        })
        .collect()
}

#[test]
fn values_are_plausible_and_have_units() {
    let plausible = BTreeMap::from([
        ("8302-2", (45.0, 200.0)),
        ("29463-7", (2.5, 125.0)),
        ("39156-5", (12.0, 35.0)),
        ("8867-4", (60.0, 150.0)),
        ("9279-1", (12.0, 26.0)),
        ("8310-5", (37.0, 39.5)),
        ("59408-5", (95.0, 100.0)),
        ("8480-6", (80.0, 160.0)),
        ("8462-4", (45.0, 105.0)),
        ("4548-4", (4.5, 9.0)),
        ("2345-7", (60.0, 230.0)),
        ("2160-0", (0.6, 1.3)),
        ("2093-3", (120.0, 300.0)),
        ("4544-3", (33.0, 50.0)),
        ("789-8", (3.8, 5.7)),
        ("2823-3", (3.5, 5.1)),
    ]);
    let mut seen = BTreeSet::new();
    for (seed, birth, record) in samples() {
        for resource in parsed(&record) {
            for (code, value, part) in quantities(&resource) {
                assert_eq!(part["valueQuantity"]["system"], "http://unitsofmeasure.org");
                assert!(part["valueQuantity"]["code"].is_string());
                let Some((low, high)) = plausible.get(code.as_str()) else {
                    continue;
                };
                assert!(
                    (*low..=*high).contains(&value),
                    "seed {seed}, born {birth}: {code} is {value}"
                );
                seen.insert(code);
            }
        }
    }
    assert_eq!(seen.len(), plausible.len());
}

#[test]
fn interpretations_agree_with_the_limits() {
    let mut seen = BTreeSet::new();
    for (_, _, record) in samples() {
        for resource in parsed(&record)
            .iter()
            .filter(|resource| resource["referenceRange"].is_array())
        {
            let value = resource["valueQuantity"]["value"].as_f64().unwrap();
            let limit = |end: &str| resource["referenceRange"][0][end]["value"].as_f64();
            let expected = match (limit("low"), limit("high")) {
                (Some(low), _) if value < low => "L",
                (_, Some(high)) if value > high => "H",
                _ => "N",
            };
            assert_eq!(
                resource["interpretation"][0]["coding"][0]["code"], expected,
                "{resource}"
            );
            seen.insert(expected);
        }
    }
    assert!(seen.contains("H") && seen.contains("N"), "{seen:?}");
}

#[test]
fn treatment_brings_a1c_down_and_panels_add_up() {
    for (seed, birth, record) in samples().into_iter().filter(|(_, birth, _)| *birth < date(1970, 1, 1)) {
        let resources = parsed(&record);
        let of = |wanted: &str| {
            let quantities = resources
                .iter()
                .flat_map(quantities)
                .filter(|(code, ..)| code == wanted);
            quantities.map(|(_, value, _)| value).collect::<Vec<_>>()
        };
        let a1c = of("4548-4");
        assert!(
            a1c.len() >= 8 && a1c[0] - a1c[a1c.len() - 1] > 1.0,
            "seed {seed}, born {birth}: {a1c:?}"
        );
        let panels = of("2093-3")
            .into_iter()
            .zip(of("2571-8"))
            .zip(of("2085-9"))
            .zip(of("18262-6"));
        for (((total, triglycerides), hdl), ldl) in panels {
            assert!(
                (total - hdl - ldl - triglycerides / 5.0).abs() < 1.0,
                "seed {seed}: {total}"
            );
        }
        let reports = resources
            .iter()
            .filter(|resource| resource["resourceType"] == "DiagnosticReport");
        for report in reports {
            assert!(report["result"].as_array().unwrap().len() >= 4);
        }
    }
}

#[test]
fn children_grow_and_get_no_medicine_for_adults() {
    for seed in 0..8 {
        let resources = parsed(&generate(seed, &person(date(2016, 2, 29), Gender::Female), TODAY));
        let heights: Vec<f64> = resources
            .iter()
            .flat_map(quantities)
            .filter(|(code, ..)| code == "8302-2")
            .map(|(_, value, _)| value)
            .collect();
        assert!(
            heights.len() >= 7 && heights.is_sorted_by(|before, after| before < after),
            "seed {seed}: {heights:?}"
        );
        let given: BTreeSet<String> = resources
            .iter()
            .filter(|resource| resource["resourceType"] == "MedicationRequest")
            .flat_map(|resource| {
                codes(
                    resource,
                    "medicationCodeableConcept",
                    "http://www.nlm.nih.gov/research/umls/rxnorm",
                )
            })
            .collect();
        let allowed = BTreeSet::from(["745679".to_owned(), "1014678".to_owned()]);
        assert!(given.is_subset(&allowed), "seed {seed}: {given:?}");
    }
}
