//! Receipt handles. They are opaque to callers; each stands for one receive of one message.

use super::refusal::Refusal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// The content of a handle: the message's key in its queue (`number`), its id, and the number of the receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) receive: u64,
}

impl Receipt {
    pub(crate) fn to_handle(self, queue: &str) -> String {
        URL_SAFE_NO_PAD.encode(format!("{queue} {} {} {}", self.number, self.id, self.receive))
    }

    /// Parses a handle. A handle of another queue gets the same refusal as a handle that was never issued.
    pub(crate) fn parse(handle: &str, queue: &str) -> Result<Receipt, Refusal> {
        read(handle, queue).ok_or(Refusal::ReceiptHandleIsInvalid)
    }
}

fn read(handle: &str, queue: &str) -> Option<Receipt> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(handle).ok()?).ok()?;
    let mut words = text.split(' ');
    if words.next()? != queue {
        return None;
    }
    let number = words.next()?.parse().ok()?;
    let id = words.next()?.parse().ok()?;
    let receive = words.next()?.parse().ok()?;
    words.next().is_none().then_some(Receipt { number, id, receive })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handle_is_valid_only_for_its_own_queue() {
        let receipt = Receipt {
            number: 7,
            id: Uuid::from_u128(9),
            receive: 3,
        };
        let handle = receipt.to_handle("orders");
        assert_eq!(Receipt::parse(&handle, "orders"), Ok(receipt));
        assert_eq!(Receipt::parse(&handle, "other"), Err(Refusal::ReceiptHandleIsInvalid));
        assert_eq!(
            Receipt::parse("made up", "orders"),
            Err(Refusal::ReceiptHandleIsInvalid)
        );
    }
}
