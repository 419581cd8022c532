//! The floor of `identity-session` and `aal2-challenge`.

floor::floor!(requests: dynamodb, upstream, secrets);
