//! The `lienthong` program.

/// The many small pieces of a packet are made in one thread and dropped in another, which costs the system's allocator
/// more than twice the time. It serves OpenSSL, too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    lienthong::cli::main()
}
