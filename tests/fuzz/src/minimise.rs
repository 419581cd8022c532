//! Finds a smaller input that also fails.

/// Maximum number of attempts. The finding then shows the smallest input so far.
const TRIES_MAX: usize = 4000;

/// Leaves out ever smaller pieces of the input, as long as `fails` is true for the rest.
pub fn minimise(input: &[u8], mut fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let (mut smallest, mut piece, mut tries) = (input.to_vec(), input.len() / 2, 0);
    while piece > 0 && tries < TRIES_MAX {
        let mut at = 0;
        let mut shrunk = false;
        while at < smallest.len() && tries < TRIES_MAX {
            let end = smallest.len().min(at + piece);
            let rest = smallest.iter().take(at).chain(smallest.iter().skip(end));
            let candidate: Vec<u8> = rest.copied().collect();
            tries += 1;
            if fails(&candidate) {
                smallest = candidate;
                shrunk = true;
            } else {
                at = end;
            }
        }
        if !shrunk || piece > smallest.len() {
            piece = piece.min(smallest.len()) / 2;
        }
    }
    smallest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smallest_input_has_only_the_failing_bytes() {
        let input = b"{\"a\":1,\"bad\":\"xyz\",\"c\":[1,2,3]}";
        let smallest = minimise(input, |bytes| bytes.windows(3).any(|window| window == b"bad"));
        assert_eq!(smallest, b"bad");
    }
}
