//! Links that conflict with another person's patient. All must be refused with one code, and the time of a refusal must
//! not reveal the kind of conflict.

use std::time::Duration;

use ias::report::time;
use sandbox_machine::app::App;
use serde_json::json;
use tokio::time::Instant;

use super::Finding;
use super::target::{Person, Target};
use crate::asking::{expect, is_throttled, refusal, retry_after};

const CODE: &str = "patient_link_refused";
/// The number of the first person who links. The persons of the other findings have lower numbers.
const FIRST: usize = 10;
/// Times that differ by less count as alike, because one more call on the local machine makes that difference.
const ALIKE: Duration = Duration::from_millis(25);
/// Maximum number of tries of a link that is refused with 429.
const TRIES: u32 = 10;

/// Times of successful links, and of the two kinds of conflicting links.
#[derive(Debug, Default)]
struct Times {
    linked: Vec<Duration>,
    same_person: Vec<Duration>,
    same_id: Vec<Duration>,
    /// Wrong answers to a conflict.
    other: Vec<String>,
}

/// Compares links that are refused for a conflict with links that succeed.
pub(super) async fn conflicts(target: &Target, links: usize) -> Result<Finding, String> {
    let mut times = Times::default();
    for number in (0..links).map(|number| FIRST + 3 * number) {
        let owner = target.person(number);
        let (refusal, linked) = link(&target.app(&owner, &json!({}))?, &owner).await?;
        if let Some(code) = refusal {
            return Err(format!("a link without a conflict was refused with {code}"));
        }
        times.linked.push(linked);
        let took = times.judge_answer(conflict(target, &owner, number + 1, None).await?);
        times.same_person.push(took);
        let same_id = Some(owner.subject.as_str());
        let took = times.judge_answer(conflict(target, &owner, number + 2, same_id).await?);
        times.same_id.push(took);
    }
    Ok(judge(&mut times))
}

impl Times {
    /// Keeps a wrong answer to a conflict; returns the time of the answer.
    fn judge_answer(&mut self, (code, took): (Option<String>, Duration)) -> Duration {
        if code.as_deref() != Some(CODE) {
            self.other.push(code.unwrap_or_else(|| "linked".to_owned()));
        }
        took
    }
}

/// Links another person of the issuer with the owner's demographics, and optionally with the owner's external id.
async fn conflict(
    target: &Target,
    owner: &Person,
    number: usize,
    member: Option<&str>,
) -> Result<(Option<String>, Duration), String> {
    let stranger = Person {
        subject: target.person(number).subject,
        demographics: owner.demographics.clone(),
    };
    let member = member.unwrap_or(&stranger.subject);
    link(&target.app(&stranger, &json!({ "member": member }))?, &stranger).await
}

/// Sends the demographics; returns the code of a refusal and the time of the answer.
async fn link(app: &App, person: &Person) -> Result<(Option<String>, Duration), String> {
    expect(200, || app.give_consent()).await?;
    for _ in 0..TRIES {
        let begun = Instant::now();
        let reply = app
            .put_patient(&person.demographics)
            .await
            .map_err(|error| error.to_string())?;
        let took = begun.elapsed();
        if reply.status != 429 {
            return Ok((refusal(&reply), took));
        }
        let wait = retry_after(&reply).filter(|_| !is_throttled(&reply));
        tokio::time::sleep(wait.unwrap_or(Duration::from_millis(250))).await;
    }
    Err(format!("a link was still refused with 429 after {TRIES} tries"))
}

/// The finding counts as refused if every answer is the same, and the times are alike or within a factor of 1.5.
fn judge(times: &mut Times) -> Finding {
    let [linked, same_person, same_id] =
        [&mut times.linked, &mut times.same_person, &mut times.same_id].map(|times| median(times));
    let alike = |took: Duration| {
        let (less, more) = (took.min(linked), took.max(linked));
        more - less < ALIKE || more * 2 <= less * 3
    };
    let answers = match times.other.is_empty() {
        true => String::new(),
        false => format!("; answered {}", times.other.join(", ")),
    };
    Finding {
        name: "time of a conflict",
        code: CODE,
        refused: times.other.is_empty() && alike(same_person) && alike(same_id),
        replies: format!(
            "linked after {}, same person after {}, same id after {}{answers}",
            time(linked),
            time(same_person),
            time(same_id)
        ),
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(linked: u64, same_person: u64, same_id: u64, other: &[&str]) -> bool {
        let three = |ms: u64| [ms, 1, 9_999].map(Duration::from_millis).to_vec();
        let mut times = Times {
            linked: three(linked),
            same_person: three(same_person),
            same_id: three(same_id),
            other: other.iter().map(|code| (*code).to_owned()).collect(),
        };
        judge(&mut times).refused
    }

    #[test]
    fn conflict_visible_by_time_or_code_counts_as_open() {
        assert!(refused(450, 400, 430, &[]));
        assert!(refused(450, 300, 675, &[]));
        assert!(!refused(450, 430, 299, &[]));
        assert!(!refused(450, 676, 430, &[]));
        assert!(
            refused(20, 44, 2, &[]),
            "a difference of some milliseconds proves nothing"
        );
        assert!(!refused(450, 450, 450, &["linked"]));
    }
}
