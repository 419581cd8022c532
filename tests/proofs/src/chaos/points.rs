//! One pull for each point of a pull. A pull without faults first counts the points: before and after every call and
//! every invocation of every function. Then each point gets its own pull, in which an act happens there.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use futures_util::future::try_join_all;
use ias::report::say;
use sandbox_machine::Sandbox;
use sandbox_metriport::Persona;

use super::inject::{Act, FaultInjector, Hold, Occasion, Point};
use super::judge::{Facts, tally};
use super::person::{Conduct, Person};
use super::plan::Rates;
use super::pulled::Ending;
use super::{PlannedPerson, create_person, drain, facts, next, options};
use crate::cli::PointsArgs;

/// The function that takes and withdraws consents, and requests for erasures.
pub(super) const CONSENT_KEEPER: &str = "account";

/// The number of times that each occasion occurred.
pub(super) type Occasions = BTreeMap<Occasion, u64>;

/// Whether the point is before or after a call that a pull makes after the consent.
pub(super) fn is_call_of_pull(point: &Point) -> bool {
    point.moment.is_call() && point.function != CONSENT_KEEPER
}

/// The result of one point.
pub(super) struct PointOutcome {
    pub(super) point: Point,
    /// Whether the act happened. Some points depend on timing, and do not occur in every pull.
    pub(super) reached: bool,
    pub(super) facts: Facts,
    /// Pulls that the person did not ask for.
    pub(super) strays: usize,
    /// Whether the app got a record link.
    pub(super) has_link: bool,
}

/// A sandbox in which one person pulls at a time. Each worker has its own, because a kill ends all processes of a
/// function.
pub(super) struct PointSandbox<'a> {
    pub(super) args: &'a PointsArgs,
    pub(super) sandbox: Sandbox,
    pub(super) injector: Arc<FaultInjector>,
}

/// Visits every point that `uses` accepts, in a pull of its own. A function has at most `processes_max` processes. The
/// points are those of `reference`, which returns the occasions before it.
pub(super) async fn visit_all(
    args: &PointsArgs,
    (processes_max, reference): (usize, impl AsyncFnOnce(&PointSandbox<'_>) -> Result<Occasions, String>),
    uses: impl Fn(&Point) -> bool,
    visit: impl AsyncFn(&PointSandbox<'_>, Point, &str) -> Result<PointOutcome, String>,
) -> Result<Vec<PointOutcome>, String> {
    let points = count_points(args, processes_max, reference).await?;
    let points = points.into_iter().filter(uses);
    let every = usize::try_from(args.every.max(1)).unwrap_or(1);
    let waiting: Mutex<VecDeque<Point>> = Mutex::new(points.step_by(every).collect());
    let work = async |number: u32| {
        let place = PointSandbox::start(args, processes_max).await?;
        let mut outcomes = Vec::new();
        while let Some(point) = next(&waiting) {
            let subject = format!("point-{number}-{}", outcomes.len());
            outcomes.push(visit(&place, point, &subject).await?);
        }
        place.end().await?;
        Ok::<_, String>(outcomes)
    };
    let outcomes = try_join_all((0..args.at_once.max(1)).map(work)).await?;
    Ok(outcomes.into_iter().flatten().collect())
}

async fn count_points(
    args: &PointsArgs,
    processes_max: usize,
    reference: impl AsyncFnOnce(&PointSandbox<'_>) -> Result<Occasions, String>,
) -> Result<Vec<Point>, String> {
    let place = PointSandbox::start(args, processes_max).await?;
    let before = reference(&place).await?;
    let after = place.injector.occasions();
    place.end().await?;
    Ok(enumerate(&before, &after))
}

/// A pull without faults. Returns the occasions before it.
pub(super) async fn pull_whole(place: &PointSandbox<'_>) -> Result<Occasions, String> {
    let before = place.injector.occasions();
    let pulled = place.person("reference").await?.pull(true).await;
    pulled.id().ok_or("the pull without faults did not end")?;
    Ok(before)
}

/// The queues with dead letters.
pub(super) fn find_dead_letters(sandbox: &Sandbox) -> Vec<String> {
    let depths = sandbox.aws().queues().depths();
    let dead = depths.iter().filter(|(name, _)| name.ends_with("DeadLetters"));
    let dead = dead.filter(|(_, depth)| depth.visible + depth.in_flight > 0);
    dead.map(|(name, _)| format!("a dead letter in {name}")).collect()
}

fn enumerate(before: &Occasions, after: &Occasions) -> Vec<Point> {
    let occasions = after.iter().flat_map(|(occasion, count)| {
        let earlier = before.get(occasion).copied().unwrap_or_default();
        (0..count.saturating_sub(earlier)).map(move |skips| (*occasion, skips))
    });
    let points = occasions.map(|((moment, function), skips)| Point {
        moment,
        function: function.to_owned(),
        skips,
    });
    points.collect()
}

impl<'a> PointSandbox<'a> {
    async fn start(args: &'a PointsArgs, processes_max: usize) -> Result<Self, String> {
        let injector = FaultInjector::new(args.seed, Rates::NO_FAULTS, args.scale);
        let mut options = options(&args.chaos_args(), &injector)?;
        options.processes_max = processes_max;
        let sandbox = Sandbox::start(options).await.map_err(|error| error.to_string())?;
        Ok(Self {
            args,
            sandbox,
            injector,
        })
    }

    async fn end(self) -> Result<(), String> {
        self.sandbox.shutdown().await.map_err(|error| error.to_string())
    }

    pub(super) async fn person(&self, subject: &str) -> Result<Person, String> {
        let planned = PlannedPerson {
            subject: subject.to_owned(),
            persona: Persona::Ordinary,
            conduct: Conduct::Pulls,
            pulls: 1,
        };
        create_person(&self.args.chaos_args(), &self.sandbox, &planned).await
    }

    /// Lets a person pull. At the point, a call waits while the person withdraws.
    pub(super) async fn interrupt(
        &self,
        person: &Person,
        point: Point,
        withdrawal: impl Future<Output = ()>,
    ) -> Result<PointOutcome, String> {
        let hold = Arc::new(Hold::default());
        let interruption = async {
            hold.until_held().await;
            withdrawal.await;
            hold.release();
            std::future::pending().await
        };
        let mut outcome = tokio::select! {
            outcome = self.pull(person, point, Act::Hold(Arc::clone(&hold))) => outcome?,
            never = interruption => never,
        };
        let (late, order) = (&mut outcome.facts.late, self.injector.order());
        late.extend(order.find_late());
        if outcome.reached && person.withdrawn_ms.get().is_none() {
            late.push("no answer to the withdrawal".to_owned());
        }
        if outcome.has_link && !order.has_link() {
            late.push("a record link without an entry".to_owned());
        }
        Ok(outcome)
    }

    /// Lets a person pull while an act is planned for a point, and then lets all work end.
    pub(super) async fn pull(&self, person: &Person, point: Point, act: Act) -> Result<PointOutcome, String> {
        self.injector.order().begin();
        self.injector.plan(point.clone(), act);
        let mut pulled = person.pull(true).await;
        // Read before `set_enabled`, which drops planned acts.
        let reached = self.injector.waiting() == 0;
        self.injector.set_enabled(false);
        drain(&self.args.chaos_args(), &self.sandbox).await?;
        // A withdrawal may also begin during the pull and end after it.
        pulled.withdrawn_ms = person.withdrawn_ms.get().copied();
        pulled.erased = person.erased();
        let injections = self.injector.injections();
        let has_link = matches!(&pulled.ending, Ending::Ended(ended) if ended.linked_ms.is_some());
        let pulls = [pulled];
        let mut facts = facts::of(&self.sandbox, &pulls, &BTreeMap::new(), (&[], &injections));
        Ok(PointOutcome {
            point,
            reached,
            facts: facts.pop().ok_or("the pull has no facts")?,
            strays: match person.receipt.get() {
                // The app may not have seen the end of an erased pull.
                Some(_) => 0,
                None => facts::strays_of(&self.sandbox, &pulls).await?,
            },
            has_link,
        })
    }
}

/// Prints the outcomes. `acts` names the acts, such as kills.
///
/// # Errors
/// Fails if a promise was broken.
pub(super) fn report_points(args: &PointsArgs, acts: &str, outcomes: &[PointOutcome]) -> Result<(), String> {
    say(&format!(
        "{} points, each in its own pull, time scale {}",
        outcomes.len(),
        args.scale
    ));
    let reached = outcomes.iter().filter(|outcome| outcome.reached);
    let places = tally(reached.clone().map(|outcome| {
        let of_function = |other: &&PointOutcome| other.point.function == outcome.point.function;
        let of = outcomes.iter().filter(of_function).count();
        (outcome.point.function.clone(), of, outcome.point.moment.name())
    }));
    for ((function, of, moment), count) in places {
        say(&format!("  {function:<18}  {moment:<28}{count:>4} of {of} points"));
    }
    for (state, count) in tally(outcomes.iter().map(|outcome| outcome.facts.state.clone())) {
        say(&format!("  ended {state:<34}{count:>5}"));
    }
    let broken: Vec<_> = outcomes.iter().filter_map(breach).collect();
    broken.iter().for_each(|line| say(line));
    let (reached, broken) = (reached.count(), broken.len());
    say(&format!(
        "  {} points, {reached} {acts}, {broken} breaches",
        outcomes.len()
    ));
    match (reached, broken) {
        (0, _) => Err(format!("no {acts}: nothing was shown")),
        (_, 0) => Ok(()),
        _ => Err(format!("{broken} {acts} broke a promise")),
    }
}

fn breach(outcome: &PointOutcome) -> Option<String> {
    let breaches = outcome.facts.breaches();
    if breaches.is_empty() && outcome.strays == 0 {
        return None;
    }
    let words: Vec<_> = breaches.iter().map(|breach| breach.name()).collect();
    let Point {
        moment,
        function,
        skips,
    } = &outcome.point;
    Some(format!(
        "  BROKEN: {function} {}, number {}: {} ({}; {} unrequested; {}): {}",
        moment.name(),
        skips + 1,
        words.join(", "),
        outcome.facts.state,
        outcome.strays,
        outcome.facts.late.join(", "),
        outcome.facts.story
    ))
}

#[cfg(test)]
mod tests {
    use super::super::plan::Moment;
    use super::*;

    #[test]
    fn each_occasion_of_the_pull_is_a_point() {
        let before = BTreeMap::from([((Moment::BeforeCall, "reconcile"), 2)]);
        let after = BTreeMap::from([
            ((Moment::BeforeCall, "reconcile"), 3),
            ((Moment::AfterCall, "query-dispatch"), 2),
        ]);
        let points = enumerate(&before, &after);
        assert_eq!(points.len(), 3);
        let after_calls = points.iter().filter(|point| point.moment == Moment::AfterCall);
        assert_eq!(after_calls.map(|point| point.skips).collect::<Vec<_>>(), [0, 1]);
    }
}
