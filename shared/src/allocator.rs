//! The allocator of the functions' binaries.

#[doc(hidden)]
pub use dlmalloc::GlobalDlmalloc;

/// Gives a binary that is linked against musl an allocator of its own: musl's hands memory back that is asked for again
/// at once (`docs/performance.md`). Only a binary of one thread wants it; so it is named there, and not in a library
/// that the sandbox shares.
#[macro_export]
macro_rules! allocator {
    () => {
        #[cfg(target_env = "musl")]
        #[global_allocator]
        static ALLOCATOR: $crate::allocator::GlobalDlmalloc = $crate::allocator::GlobalDlmalloc;
    };
}
