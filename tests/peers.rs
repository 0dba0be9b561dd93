//! The job that benches/peers compares by: its definition counts as it says, its checker turns away what is something else, and samenloop
//! by benches/peers/samenloop.toml does that very job. In Python, as the runner is; no broker, no JVM.

#![allow(clippy::unwrap_used)] // tests

use std::process::Command;

#[test]
fn samenloop_does_the_job_that_the_peers_do_and_nothing_else_passes() {
    let ran = Command::new("python3")
        .args(["-B", "-m", "unittest", "-v", "test_job"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers"))
        .env("SAMENLOOP", env!("CARGO_BIN_EXE_samenloop"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    assert!(said.contains("OK") && !said.contains("skipped"), "{said}");
}
