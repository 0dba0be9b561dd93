//! The `samenloop` command.

/// Lists are made, copied and let go of all day long, by us and by librdkafka, whose allocations it takes over too: docs/operations.md
/// ("What an event costs") says what that saves.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    samenloop::cli::main()
}
