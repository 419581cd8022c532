//! The project's integration tests: the real functions in processes of their own, over the sandbox.

mod harness;

mod flow;
mod openapi;
mod template;
mod tidy;
