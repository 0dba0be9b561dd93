//! What the process may take.

use super::*;
use crate::memory::Fixed;

#[test]
fn a_budget_is_a_number_of_bytes_or_whatever_there_is() {
    let budget = |text: &str| Settings::load(&file(text)).unwrap().memory.budget_bytes;
    assert_eq!(budget(""), None);
    assert_eq!(budget("[memory]\nbudget = \"auto\""), None);
    assert_eq!(budget("[memory]\nbudget = \"4GiB\""), Some(4 << 30));
    let settings = Settings::load(&file("[memory]\nbudget = \"768MiB\"")).unwrap();
    assert_eq!(Settings::load(&file(&settings.to_toml().unwrap())).unwrap(), settings);
    for (text, expected) in [
        ("[memory]\nbudget = \"1MiB\"", "memory.budget = 1MiB (file shop.toml): must be 256MiB to 16384GiB"),
        (
            "[memory]\nbudget = 4096",
            "4096 is not a number of bytes; write a whole number with B, KiB, MiB or GiB, as in \"256MiB\", or \"auto\"",
        ),
        ("[memory]\nbudget = \"half\"", "or \"auto\""),
        ("[memory]\nbugdet = \"4GiB\"", "did you mean memory.budget?"),
    ] {
        let refusal = refused(&file(text));
        assert!(refusal.contains(expected), "{text}: {refusal}");
    }
}

#[test]
fn buffers_of_clients_that_the_settings_fix_are_known_and_the_largest_record_fits_in_them() {
    let fixed = |text: &str| Settings::load(&file(&format!("[kafka]\n{text}"))).unwrap().kafka.fixed();
    assert_eq!(fixed(""), Fixed::default());
    let (fetched_ahead, fetched, appended) = (Some(1 << 20), Some(2_000_000), Some(64 << 20));
    let all = "queued.max.messages.kbytes = 1024\nfetch.max.bytes = 2000000\nqueue.buffering.max.kbytes = 65536";
    assert_eq!(fixed(all), Fixed { fetched_ahead, fetched, appended });
    assert_eq!(fixed("queue.buffering.max.kbytes = 33792").appended, Some(33 << 20));
    let refusal = refused(&file("[kafka]\nqueue.buffering.max.kbytes = 32768"));
    let expected = "kafka.queue.buffering.max.kbytes = 32768 (file shop.toml): is less than 33792: the largest record";
    assert!(refusal.contains(expected), "{refusal}");
}
