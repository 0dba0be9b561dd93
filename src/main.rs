//! The `samenloop` command.

/// Lists are made, copied and let go of all day long, by us and by librdkafka, whose allocations it takes over too. What is let go of
/// goes back to the system after ten seconds, without a thread of ours having to wait for that.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    samenloop::cli::main()
}
