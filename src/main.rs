//! The `samenloop` command.

/// Lists are made, copied and let go of all day long, by us and by librdkafka, whose allocations it takes over too: measured with
/// `tests/throughput kafka`, glibc's malloc costs an eighth of all CPU more, and holds on to more memory.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    samenloop::cli::main()
}
