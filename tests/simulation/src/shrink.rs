//! Removes the steps of a schedule that are not needed to break the same rule.
//!
//! `shrink` leaves out one block of steps after the other, and drops each block without which the rule still breaks.
//! After each pass it halves the size of the blocks. It ends when every remaining step is needed.

use crate::choice::Choice;

/// The shortest schedule found for which `breaks` still holds.
pub(crate) fn shrink(mut choices: Vec<Choice>, breaks: impl Fn(&[Choice]) -> bool) -> Vec<Choice> {
    let mut block = choices.len().div_ceil(2);
    loop {
        let before = choices.len();
        let mut from = 0;
        while from < choices.len() {
            let mut without = choices.clone();
            without.drain(from..(from + block).min(choices.len()));
            if breaks(&without) {
                choices = without;
            } else {
                from += block;
            }
        }
        if block > 1 {
            block = block.div_ceil(2);
        } else if choices.len() == before {
            return choices;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shrink_keeps_only_the_needed_steps() {
        let schedule: Vec<Choice> = (0..100).map(Choice::Step).collect();
        let needed = [Choice::Step(3), Choice::Step(58), Choice::Step(97)];
        let breaks = |choices: &[Choice]| needed.iter().all(|step| choices.contains(step));
        assert_eq!(shrink(schedule, breaks), needed);
    }
}
