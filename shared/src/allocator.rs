//! The allocator of the functions' binaries.

#[doc(hidden)]
pub use dlmalloc::GlobalDlmalloc;

/// Gives a binary that is linked against musl another allocator, dlmalloc. Musl's own allocator returns memory to the
/// system that the function needs again at once (decision 0013). Only single-threaded binaries benefit from dlmalloc.
/// Each function's binary therefore calls this macro; this library does not, because the sandbox uses it too.
#[macro_export]
macro_rules! allocator {
    () => {
        #[cfg(target_env = "musl")]
        #[global_allocator]
        static ALLOCATOR: $crate::allocator::GlobalDlmalloc = $crate::allocator::GlobalDlmalloc;
    };
}
