//! A running function as plain data: its invocation and its replies so far.

use std::future::Future as _;
use std::task::{Context, Poll, Waker};

use shared::Error;
use shared::domain::{Time, Timing};

use crate::Sabotage;
use crate::functions::{self, Job};
use crate::io::{Io, Op, Reply};

#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) job: Job,
    pub(crate) log: Vec<Reply>,
    /// The function's next operation, which follows from the other fields.
    pub(crate) pending: Op,
    /// The time at which the function is killed.
    pub(crate) until: Time,
    /// The number of the message that invoked the function.
    pub(crate) message: Option<u32>,
    /// Whether the stored `dueSeq` equalled the message's when the function first read it.
    pub(crate) fresh: Option<bool>,
    /// Whether the function's webhook could be correlated, and was awaited, at every moment since the function began.
    pub(crate) known: bool,
    /// The moment of erasures when the function last read a root; at its first operation, if it has read none.
    pub(crate) since: Option<u32>,
}

pub(crate) enum Progress {
    Next(Op),
    End(Result<&'static str, Error>),
}

/// Runs a function over its replies so far, up to its next operation or its end. Reading the clock does not count as an
/// operation, because it is answered at once.
pub(crate) fn proceed(
    job: &Job,
    log: Vec<Reply>,
    clock: Time,
    timing: Timing,
    sabotage: Option<Sabotage>,
) -> (Vec<Reply>, Progress) {
    let io = Io::new(job, log, clock, timing, sabotage);
    let progress = {
        let mut function = Box::pin(functions::run(&io, job));
        match function.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => Progress::End(outcome),
            Poll::Pending => match io.pending() {
                Some(op) => Progress::Next(op),
                None => unreachable!("a function waits without an operation"),
            },
        }
    };
    (io.into_log(), progress)
}
