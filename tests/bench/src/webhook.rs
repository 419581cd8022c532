//! Processor time of `webhook-intake` for each event, compared with a floor that verifies the signature and sends the
//! message by the same SDK.

use axum::body::Bytes;
use serde::{Deserialize, Serialize};

use crate::builds::Builds;
use crate::person::{DELAY_MS, Person, unlimited_options};
use crate::process::Process;
use crate::relay::{Kind, Measurement, Relay};
use crate::table::{Spread, Table};
use crate::{Args, Part, Problem, cold};

/// Maximum processor time for each event, relative to that of the floor.
const CPU_OF_FLOOR_MAX: f64 = 1.25;
const FUNCTION: &str = "webhook-intake";
/// Events before the measurement, to open connections and fill caches.
const EVENTS_BEFORE: u32 = 20;
/// Function and floor take turns, each with this many events.
const EVENTS_A_TURN: u32 = 20;
const TURNS: u32 = 10;

/// Processor time of the function and of its floor for each event, in microseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Pair {
    function_us: f64,
    floor_us: f64,
}

/// Measures function and floor with repeats of a webhook about an ended source. Every webhook, measured or not, then
/// goes to the function once.
pub async fn relay(relay: &Relay, event: &Bytes) -> Result<Bytes, Problem> {
    if cold::is_measured(FUNCTION, event) {
        let (mut function, _) = relay.start(Kind::Function, true).await?;
        let (mut floor, _) = relay.start(Kind::Floor, true).await?;
        cpu_us(&mut function, event, EVENTS_BEFORE).await?;
        cpu_us(&mut floor, event, EVENTS_BEFORE).await?;
        let (mut function_us, mut floor_us) = (0.0, 0.0);
        for _ in 0..TURNS {
            function_us += cpu_us(&mut function, event, EVENTS_A_TURN).await?;
            floor_us += cpu_us(&mut floor, event, EVENTS_A_TURN).await?;
        }
        let events = f64::from(TURNS * EVENTS_A_TURN);
        relay.note(&Pair {
            function_us: function_us / events,
            floor_us: floor_us / events,
        })?;
    }
    Ok(relay.run(Kind::Function, event).await?.1)
}

/// Processor time for this many events, in microseconds.
async fn cpu_us(process: &mut Process, event: &Bytes, events: u32) -> Result<f64, Problem> {
    let before = process.usage()?.cpu_us;
    for _ in 0..events {
        let (_, reply) = process.invoke(event).await?;
        let reply: serde_json::Value = serde_json::from_slice(&reply)?;
        if reply.get("statusCode") != Some(&200.into()) {
            return Err(format!("a webhook was refused: {reply}").into());
        }
        process.polled().await?;
    }
    Ok(process.usage()?.cpu_us - before)
}

/// Measures pulls. Each pull has three webhooks about ended sources.
pub async fn measure(args: &Args) -> Result<Table, Problem> {
    Builds::of(&args.profile)?.make(&[FUNCTION], true)?;
    let measurement = Measurement::start(Part::Webhook, args, unlimited_options(DELAY_MS)?).await?;
    let person = Person::ready(&measurement.sandbox, 0).await?;
    for _ in 0..args.runs {
        person.pull().await?;
    }
    let pairs: Vec<Pair> = measurement.end().await?;
    let spread = |figure: fn(&Pair) -> f64| Spread::of(pairs.iter().map(figure));
    let (cpu, floor) = (spread(|pair| pair.function_us)?, spread(|pair| pair.floor_us)?);
    let ratio = spread(|pair| pair.function_us / pair.floor_us)?;
    let mut table = Table {
        name: "webhook",
        caption: format!(
            "Processor time for each event, in microseconds: medians of {} measurements (smallest–largest), each over \
             {} events of both in turn.",
            pairs.len(),
            TURNS * EVENTS_A_TURN
        ),
        columns: "function | CPU | the floor's | ÷ floor",
        rows: vec![format!("{FUNCTION} | {cpu} | {floor} | {ratio}")],
        ..Table::default()
    };
    table.hold("webhook-intake, CPU ÷ floor", ratio.median, CPU_OF_FLOOR_MAX);
    Ok(table)
}
