//! Brings a world to rest: faults stop, functions run to their end, queues deliver their messages, and the clock moves
//! until nothing is due. If the world never comes to rest, something waits for ever.

use crate::choice::{Ending, WebhookArrival, Yield};
use crate::functions::Job;
use crate::rules::{self, Violation, broken};
use crate::world::World;

/// Maximum number of steps until rest. `query-dispatch` looks at a run about forty times in its life, each time in
/// about ten operations.
const STEPS_MAX: u32 = 40_000;

/// The words that mark the end of the schedule in a trace.
pub(crate) const RESTING: &str = "from here on there are no faults";

/// The behaviour of networks that have not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Networks {
    Answer,
    Silent,
}

/// Runs the world until nothing happens any more, then judges it.
pub(crate) fn bring_to_rest(world: &mut World, networks: Networks) -> Option<Violation> {
    world.say(|| format!("{RESTING}; the networks: {networks:?}"));
    world.set_clocks_right();
    let mut steps = 0;
    while world.violation.is_none() && proceed(world, networks) {
        steps += 1;
        if steps > STEPS_MAX {
            world.judge(broken(1, "the world does not come to rest"));
        }
    }
    if world.violation.is_none() {
        let violation = rules::standing(world).or_else(|| rules::at_rest(world));
        world.judge(violation);
    }
    world.violation.clone()
}

/// Performs the next event that needs no choice; `false` if nothing is left.
fn proceed(world: &mut World, networks: Networks) -> bool {
    if !world.tasks.is_empty() {
        return world.step(0, None);
    }
    if let Some(index) = world.visible().first() {
        return world.deliver_message(*index);
    }
    if world.webhook(0, WebhookArrival::Arrives) {
        return true;
    }
    if networks == Networks::Answer {
        if let Some((query, kind)) = world.upstream.open_sources().first() {
            let now = world.now;
            world.upstream.end_source(*query, *kind, Ending::Answers, now);
            return true;
        }
        if let Some(query) = world.upstream.open_consolidated(world.now).first() {
            let now = world.now;
            world.upstream.end_consolidated(*query, Yield::Link, now);
            return true;
        }
    }
    if world.reconciler_has_work() {
        return world.spawn(Job::Reconcile, None);
    }
    match world.next_due() {
        Some(next) => world.move_clock(next),
        None => false,
    }
}
