//! Takes a person's request for the erasure of everything that is stored about them. The request needs neither a
//! consent nor a verified identity, because those who withdrew must be able to leave.

use serde::Serialize;
use shared::Error;
use shared::domain::erasure::{Erasure, ErasureId, ErasureStage, SignedReceipt};
use shared::domain::log::Actor;
use shared::domain::person_root::ErasureBar;
use shared::domain::{OwnerId, ReceiptId};
use shared::edge::http::{Code, Next, Problem};
use shared::message::AccountWork;
use shared::ports::Clock;
use shared::queue::SendAccountWork;
use shared::store::{Condition, ReadErasure, ReadRoot, RequestErasure};

/// Maximum number of attempts to store the request. An attempt fails if another process changes the root.
const ATTEMPTS: u32 = 8;

/// `DELETE /v1/me`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErasureRequestView {
    status: &'static str,
    receipt_id: String,
    next: Next,
}

/// `GET /v1/erasures/{receipt}`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErasureView {
    status: &'static str,
    requested_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<SignedReceipt>,
    next: Next,
}

shared::ports! {
    /// Takes a request for an erasure.
    pub trait TakeRequest = ReadRoot + RequestErasure + SendAccountWork + Clock;
}

/// Begins an erasure with this receipt id. If one is unfinished, its receipt id is returned instead.
///
/// # Errors
/// Refuses while the data are on legal hold. Also fails if the table or the queue fails. If only the message was not
/// sent, `reconcile` sends it.
pub async fn request(
    io: &impl TakeRequest,
    owner: &OwnerId,
    actor: &Actor,
    receipt: ReceiptId,
) -> Result<ErasureRequestView, Error> {
    let mut tries = 1;
    loop {
        let (root, now) = (io.root(owner).await?, io.now());
        let marked = match root.begin_erasure(receipt, now) {
            Ok(marked) => marked,
            Err(ErasureBar::Unfinished(receipt)) => return Ok(view_request(receipt)),
            Err(ErasureBar::Held) => return Err(Problem::new(Code::LegalHold).into()),
        };
        let job = Erasure::request(receipt, owner.clone(), now, io.timing());
        match io.request_erasure(owner, &marked, &job, actor).await {
            // The request was sent before, and its erasure is finished.
            Err(error) if error.lacks(Condition::ErasureAsRead) => return Ok(view_request(receipt)),
            Err(error) if tries < ATTEMPTS && error.lacks(Condition::RootAsRead) => tries += 1,
            written => {
                written?;
                // The job is stored, so a lost message only delays it.
                if let Err(error) = io.send_account_work(&AccountWork::erase(job.id)).await {
                    tracing::warn!(context = %error, "the message about an erasure was not sent");
                }
                return Ok(view_request(receipt));
            }
        }
    }
}

/// The reply to a request.
#[must_use]
pub fn view_request(receipt: ReceiptId) -> ErasureRequestView {
    ErasureRequestView {
        status: "erasing",
        receipt_id: receipt.to_string(),
        next: Next::read_receipt(receipt),
    }
}

/// Reads an erasure by its receipt id, which is the only credential.
///
/// # Errors
/// `not_found` if no erasure has this receipt id. Also fails if the table cannot be read.
pub async fn show(io: &impl ReadErasure, receipt: &str) -> Result<ErasureView, Error> {
    let erasure = io.erasure(ErasureId::of_text(receipt)).await?;
    let erasure = erasure.ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(view_erasure(erasure))
}

/// The erasure as its receipt's holder sees it.
#[must_use]
pub fn view_erasure(erasure: Erasure) -> ErasureView {
    let finished = erasure.stage == ErasureStage::Finished;
    ErasureView {
        status: if finished { "erased" } else { "erasing" },
        requested_at: erasure.requested_at.to_string(),
        receipt: erasure.receipt,
        next: if finished { Next::NONE } else { Next::WAIT },
    }
}
