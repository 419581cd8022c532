//! A made-up record: eight years of care for one person, determined by a seed.
//!
//! Knows what an ordinary record holds and how its parts hang together (a diagnosis follows a finding, treatment moves
//! the values, pharmacies dispense what was prescribed). Makes no claim on epidemiology, and nobody in it exists.

mod care;
mod chart;
mod codes;
mod fhir;
mod immunizations;
mod lab_tests;
mod labs;
mod measure;
mod medications;
mod notes;
mod person;
mod problems;
mod procedures;
mod trends;
mod visits;
mod vitals;

use jiff::civil::Date;

use self::chart::Chart;
pub use self::person::{Address, Gender, Person};
use self::trends::Trends;
use crate::record::NetworkRecord;

/// Makes up what the networks hold on `person` on the day `today`: for an adult 120 to 250 resources of the last eight
/// years, fewer for a small child. The same seed, person and day give the same bytes; another person gets other ids.
///
/// All references resolve within the three parts together. The one Patient is in `hie`. `meta.source` is set by some
/// systems (the clinic, the laboratory, the pharmacy on what it dispensed) and not by others, as in the field.
pub fn generate(seed: u64, person: &Person, today: Date) -> NetworkRecord {
    let mut chart = Chart::open(seed, person, today);
    let care = care::register(&mut chart);
    let slots = visits::plan(&mut chart);
    let courses = problems::courses(&mut chart, &slots);
    let trends = Trends::draw(&mut chart, &courses);
    let mut doses = immunizations::Doses::default();
    problems::record_allergy(&mut chart, &care, &slots);
    for slot in visits::needed(slots, &courses) {
        let visit = visits::attend(&mut chart, &care, slot);
        vitals::take(&mut chart, &visit, &trends);
        problems::diagnose(&mut chart, &visit, &courses);
        labs::draw_blood(&mut chart, &care, &visit, &trends);
        medications::prescribe(&mut chart, &care, &visit, &courses);
        immunizations::give(&mut chart, &visit, &mut doses);
        procedures::perform(&mut chart, &visit);
        notes::write(&mut chart, &visit);
    }
    chart.close()
}
