//! Tests the crate through its public interface.

#[cfg(test)]
mod bundle_text;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod splitting;
#[cfg(test)]
mod summaries;
#[cfg(test)]
mod support;
#[cfg(test)]
mod synthea;
