//! The `samenloop` command.

fn main() -> std::process::ExitCode {
    samenloop::cli::main()
}
