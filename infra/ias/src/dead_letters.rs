//! `ias dead-letters`: lists dead letters, and sends them back to their source queues. A dead letter is a message that
//! a function gave up, or that SQS moved after its last receive. The variables of AWS's own tools direct the command to
//! AWS or to a running sandbox. The command shows codes, counts, ages and SQS's own ids, never a body.

mod queue;

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use shared::config::Env;
use shared::domain::Time;
use shared::message::dead_letter::DeadLetterCause;
use shared::queue::SourceQueue;

use crate::report::{say, say_line};

pub use queue::{DeadLetterList, ListedDeadLetter, RedriveQueues, Redriven};

/// Options of `dead-letters`.
#[derive(Debug, Clone, Args)]
pub struct DeadLettersArgs {
    /// The command to run.
    #[command(subcommand)]
    pub command: DeadLettersCommand,
}

/// Commands on dead letters.
#[derive(Debug, Clone, Subcommand)]
pub enum DeadLettersCommand {
    /// Count dead letters by queue and reason. While they are counted, SQS hides them from others, for two minutes at
    /// most.
    List(ListArgs),
    /// Send dead letters back to the queue they came from. A dead letter that was sent but not deleted is sent again,
    /// which is harmless.
    Redrive(RedriveArgs),
}

/// The queues.
#[derive(Debug, Clone, Args)]
pub struct QueueSelection {
    /// Name of the stack that has the queues.
    #[arg(long, env = "STACK_NAME", default_value = "ias", value_name = "NAME")]
    pub stack: String,
    /// Only this queue's dead letters: webhook-events, run-advance, record-fetch or account-work.
    #[arg(long, value_name = "QUEUE", value_parser = source)]
    pub queue: Option<SourceQueue>,
}

/// Options of `dead-letters list`.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    #[command(flatten)]
    selection: QueueSelection,
    /// Also show the id of each dead letter.
    #[arg(long)]
    ids: bool,
}

/// Options of `dead-letters redrive`.
#[derive(Debug, Clone, Args)]
pub struct RedriveArgs {
    #[command(flatten)]
    selection: QueueSelection,
    #[command(flatten)]
    which: Which,
    /// Print what would be sent back, and send nothing.
    #[arg(long)]
    dry_run: bool,
}

/// The dead letters to send back.
#[derive(Debug, Clone, Default, Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// Those that were given up for this reason, as `list` shows it.
    #[arg(long, value_name = "REASON")]
    pub reason: Option<String>,
    /// The dead letter with this id: its own, or that of the message that died. May be given more than once.
    #[arg(long = "id", value_name = "ID")]
    pub ids: Vec<String>,
    /// All dead letters.
    #[arg(long)]
    pub all: bool,
}

impl Which {
    /// Whether the options select this dead letter.
    #[must_use]
    pub fn means(&self, dead_letter: &ListedDeadLetter) -> bool {
        self.all
            || self.reason.as_deref() == Some(dead_letter.cause.reason())
            || self
                .ids
                .iter()
                .any(|id| *id == dead_letter.id || *id == dead_letter.origin())
    }
}

fn source(name: &str) -> Result<SourceQueue, String> {
    let found = SourceQueue::ALL.into_iter().find(|source| source.name() == name);
    found.ok_or_else(|| format!("expected one of {}", SourceQueue::ALL.map(SourceQueue::name).join(", ")))
}

pub(crate) async fn dead_letters(args: &DeadLettersArgs) -> Result<(), String> {
    let selection = match &args.command {
        DeadLettersCommand::List(list) => &list.selection,
        DeadLettersCommand::Redrive(redrive) => &redrive.selection,
    };
    let client = shared::aws::Aws::read(&Env::of_process())
        .map_err(|error| error.to_string())?
        .sqs();
    let mut queues = Vec::new();
    for source in SourceQueue::ALL {
        if selection.queue.is_none_or(|only| only == source) {
            queues.push(RedriveQueues::find(&client, &selection.stack, source).await?);
        }
    }
    match &args.command {
        DeadLettersCommand::List(args) => list(&queues, args.ids).await,
        DeadLettersCommand::Redrive(args) => redrive(&queues, &args.which, args.dry_run).await,
    }
}

async fn list(queues: &[RedriveQueues], ids: bool) -> Result<(), String> {
    for queue in queues {
        let list = queue.list().await?;
        for line in render_dead_letters(queue.source(), &list, ids, shared::clock::now()) {
            say_line(&line);
        }
    }
    Ok(())
}

async fn redrive(queues: &[RedriveQueues], which: &Which, dry_run: bool) -> Result<(), String> {
    let mut meant = 0;
    for queue in queues {
        let Redriven { sent_back, left, more } = queue.redrive(which, dry_run).await?;
        let action = if dry_run { "would be sent back" } else { "sent back" };
        let rest = if more { ", and more that were not checked" } else { "" };
        say(&format!(
            "{}: {sent_back} {action}, {left} left{rest}",
            queue.source().name()
        ));
        meant += sent_back;
    }
    if meant == 0 && !which.all {
        return Err("no dead letter matches".to_owned());
    }
    Ok(())
}

/// Describes the dead letters of one queue, by reason.
#[must_use]
pub fn render_dead_letters(source: SourceQueue, list: &DeadLetterList, ids: bool, now: Time) -> Vec<String> {
    let DeadLetterList { dead_letters, more } = list;
    if dead_letters.is_empty() {
        return vec![format!("{}: none", source.name())];
    }
    let least = if *more { "at least " } else { "" };
    let mut lines = vec![format!("{}: {least}{}", source.name(), dead_letters.len())];
    let mut by_reason = BTreeMap::<String, Vec<&ListedDeadLetter>>::new();
    for dead_letter in dead_letters {
        by_reason
            .entry(reason(&dead_letter.cause))
            .or_default()
            .push(dead_letter);
    }
    for (reason, mut dead_letters) in by_reason {
        dead_letters.sort_by_key(|dead_letter| dead_letter.since);
        let ages = dead_letters.first().zip(dead_letters.last()).map(|(oldest, newest)| {
            let (oldest, newest) = (age(oldest.since, now), age(newest.since, now));
            if oldest == newest {
                oldest
            } else {
                format!("{oldest} to {newest}")
            }
        });
        lines.push(format!(
            "  {reason:<40} {:>6}   {} old",
            dead_letters.len(),
            ages.unwrap_or_default()
        ));
        if ids {
            lines.extend(
                dead_letters
                    .iter()
                    .map(|dead_letter| format!("    {}   {}", dead_letter.id, age(dead_letter.since, now))),
            );
        }
    }
    lines
}

fn reason(cause: &DeadLetterCause) -> String {
    match cause {
        DeadLetterCause::GivenUp(envelope) => match &envelope.failure {
            Some(failure) => format!("{} ({failure})", envelope.reason),
            None => envelope.reason.clone(),
        },
        DeadLetterCause::Exhausted | DeadLetterCause::Unreadable => cause.reason().to_owned(),
    }
}

/// The age in the largest full unit.
fn age(since: Time, now: Time) -> String {
    const UNITS: [(u64, &str); 3] = [(86_400, "d"), (3_600, "h"), (60, "min")];
    let secs = since.until(now).as_secs();
    match UNITS.into_iter().find(|(unit, _)| secs >= *unit) {
        Some((unit, name)) => format!("{} {name}", secs / unit),
        None => format!("{secs} s"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use shared::message::dead_letter::{DeadLetterReason, Envelope};

    use super::*;
    use crate::cli::Cli;

    fn make_dead_letter(id: &str, cause: DeadLetterCause, age_secs: i64) -> ListedDeadLetter {
        ListedDeadLetter::new(id, cause, Time::from_millis(1_000_000_000 - age_secs * 1000))
    }

    #[test]
    fn dead_letters_are_listed_by_reason_with_their_ages() {
        let given_up = |reason| DeadLetterCause::GivenUp(Envelope::new(reason, "run-advance", "m-1"));
        let dead_letters = vec![
            make_dead_letter("a", given_up(DeadLetterReason::NotRetryable("store")), 59),
            make_dead_letter("b", DeadLetterCause::Exhausted, 3 * 86_400),
            make_dead_letter("c", DeadLetterCause::Exhausted, 7_200),
            make_dead_letter("d", DeadLetterCause::Unreadable, 60),
        ];
        let now = Time::from_millis(1_000_000_000);
        let list = DeadLetterList {
            dead_letters,
            more: false,
        };
        let squeezed = |ids| {
            let lines = render_dead_letters(SourceQueue::RunAdvance, &list, ids, now);
            lines
                .iter()
                .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect::<Vec<_>>()
        };
        let expected = [
            "run-advance: 4",
            "exhausted 2 3 d to 2 h old",
            "not_retryable (store) 1 59 s old",
            "unreadable 1 1 min old",
        ];
        assert_eq!(squeezed(false), expected);
        assert!(squeezed(true).contains(&"c 2 h".to_owned()));
        let none = DeadLetterList {
            dead_letters: Vec::new(),
            more: false,
        };
        assert_eq!(
            render_dead_letters(SourceQueue::RecordFetch, &none, true, now),
            ["record-fetch: none"]
        );
    }

    #[test]
    fn dead_letter_is_selected_by_reason_id_or_all() {
        let cause = DeadLetterCause::GivenUp(Envelope::new(DeadLetterReason::Malformed, "run-advance", "m-1"));
        let dead_letter = make_dead_letter("a", cause, 1);
        let reason = |reason: &str| Which {
            reason: Some(reason.to_owned()),
            ..Which::default()
        };
        let id = |id: &str| Which {
            ids: vec!["x".to_owned(), id.to_owned()],
            ..Which::default()
        };
        let all = Which {
            all: true,
            ..Which::default()
        };
        assert!(
            [reason("malformed"), id("a"), id("m-1"), all]
                .iter()
                .all(|which| which.means(&dead_letter))
        );
        assert!(
            ![reason("exhausted"), id("b"), Which::default()]
                .iter()
                .any(|which| which.means(&dead_letter))
        );
    }

    #[test]
    fn redrive_requires_exactly_one_selection() {
        let parses = |args: &[&str]| {
            let all = ["ias", "dead-letters", "redrive"].iter().chain(args);
            Cli::try_parse_from(all).is_ok()
        };
        assert!(parses(&["--all"]) && parses(&["--reason", "exhausted", "--queue", "run-advance"]));
        assert!(parses(&["--id", "a", "--id", "b", "--dry-run"]));
        assert!(!parses(&[]) && !parses(&["--all", "--id", "a"]) && !parses(&["--all", "--queue", "other"]));
    }
}
