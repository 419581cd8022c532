//! A running function, as plain data: what it was invoked for and what it got back so far.

use std::future::Future as _;
use std::task::{Context, Poll, Waker};

use shared::Error;
use shared::domain::{Time, Timing};

use crate::Sabotage;
use crate::functions::{self, Job};
use crate::io::{Io, Op, Reply};

/// A running function.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) job: Job,
    /// What its operations brought, in order.
    pub(crate) log: Vec<Reply>,
    /// What it does next. Follows from the rest.
    pub(crate) pending: Op,
    /// When it is killed.
    pub(crate) until: Time,
    /// The message it was invoked for.
    pub(crate) message: Option<u32>,
    /// Whether the stored `dueSeq` was the message's when it looked.
    pub(crate) fresh: Option<bool>,
    /// Whether the webhook it is about could be correlated, and was waited for, ever since it began.
    pub(crate) known: bool,
}

/// Where a function stands.
pub(crate) enum Progress {
    /// It waits for this operation.
    Next(Op),
    /// It has ended.
    Done(Result<&'static str, Error>),
}

/// Runs a function over what it got back so far, up to its next operation or its end. Reading the clock is none: it is
/// answered at once.
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
            Poll::Ready(outcome) => Progress::Done(outcome),
            Poll::Pending => match io.pending() {
                Some(op) => Progress::Next(op),
                None => unreachable!("a function waits for nothing"),
            },
        }
    };
    (io.into_log(), progress)
}
