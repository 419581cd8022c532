//! `proofs kills`: at each point of a pull, the process of the function is killed.

use super::inject::Act;
use super::points::{pull_whole, report_points, visit_all};
use crate::cli::PointsArgs;

/// Maximum number of processes of a function, as in the sandbox.
const PROCESSES_MAX: usize = 4;

pub(crate) async fn kills(args: &PointsArgs) -> Result<(), String> {
    let outcomes = visit_all(
        args,
        (PROCESSES_MAX, pull_whole),
        |_| true,
        async |place, point, subject| place.pull(&place.person(subject).await?, point, Act::Kill).await,
    );
    report_points(args, "kills", &outcomes.await?)
}
