//! One process from its start to its first reply.

use bytes::Bytes;
use serde_json::Value;

use super::limits::Group;
use crate::Problem;
use crate::bed::process::Program;
use crate::bed::vitals::Vitals;
use crate::bed::world::World;

/// One measurement.
#[derive(Debug, Clone)]
pub struct Run {
    /// Start to first poll, in ms.
    pub init_ms: f64,
    /// The same without the time from the first connection to the last secret.
    pub alone_ms: f64,
    /// Start to first reply, in ms.
    pub first_ms: f64,
    /// At the first poll.
    pub polled: Vitals,
    /// At the first reply.
    pub replied: Vitals,
    /// The reply.
    pub reply: Value,
}

/// Runs a program once, with the share of a processor that comes with `memory_mb`.
///
/// # Errors
/// When it does not reply, or cannot be limited.
pub async fn run(program: &Program, world: &World, event: &Value, memory_mb: Option<u32>) -> Result<Run, Problem> {
    world.state().seen = Default::default();
    let group = memory_mb.map(Group::new).transpose()?;
    let mut process = world.start_process(program, group.as_ref().map(Group::path)).await?;
    let (init, polled_at) = process.init().await?;
    let polled = process.vitals()?;
    let waited = {
        let seen = &world.state().seen;
        let told = seen.told.filter(|told| *told < polled_at);
        seen.connected.zip(told).map(|(connected, told)| told - connected)
    };
    let replied = process.invoke(Bytes::from(event.to_string())).await?;
    let at_reply = process.vitals()?;
    process.kill().await?;
    let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1e3;
    Ok(Run {
        init_ms: ms(init),
        alone_ms: ms(init - waited.unwrap_or_default()),
        first_ms: ms(replied.since_start),
        polled,
        replied: at_reply,
        reply: serde_json::from_slice(&replied.body)?,
    })
}
