//! That what is shipped fits.

use super::*;
use crate::config::Layers;
use crate::memory::Part;

const MACHINE: &str = "MemTotal:        8388608 kB\nMemFree: 1 kB\n";
const GIB: u64 = 1 << 30;

fn with(files: &[(&str, &str)], group: &str, machine: Option<&str>) -> Option<u64> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    given(group, folder.path(), machine).map(|found| found.bytes)
}

/// What `docker-compose.yml` gives its container, and what it runs there; with facts, too.
#[test]
fn what_is_shipped_fits_in_the_container_that_is_shipped() {
    let compose = include_str!("../../../docker-compose.yml");
    assert!(compose.contains("mem_limit: 4g") && compose.contains("--topic shop-events --partitions 4 "));
    let file = Some(("samenloop.toml".to_owned(), include_str!("../../../deploy/samenloop.toml").to_owned()));
    let settings = Settings::load(&Layers { file, ..Layers::default() }).unwrap();
    let partitions = LogPartitions { events: settings.logs.events_partitions, pairs: settings.logs.pairs_partitions };
    assert!(partitions.events > 1);
    let shipped = Demand { cores: 16, ..demand(&settings, (1, 4), partitions) };
    let with_facts = Demand { facts_bytes: Some(settings.facts.memory_bytes), facts_topics: 4, ..shipped.clone() };
    for demand in [shipped, with_facts] {
        let budget = Budget::deal(4 * GIB, &demand).unwrap_or_else(|unfit| panic!("{unfit}"));
        assert!(budget.given(Part::State) > 64 << 20, "{budget}");
    }
}

#[test]
fn what_a_container_gives_is_the_budget_and_else_most_of_the_machine() {
    let machine = Some(MACHINE);
    assert_eq!(with(&[], "", machine), Some(6 * GIB));
    assert_eq!(with(&[], "", None), None);
    assert_eq!(with(&[("memory.max", "4294967296\n")], "0::/\n", machine), Some(4 * GIB));
    assert_eq!(with(&[("memory.max", "4294967296\n")], "0::/\n", None), Some(4 * GIB));
    assert_eq!(with(&[("memory.max", "max\n")], "0::/\n", machine), Some(6 * GIB), "no limit");
    let nested = [("a/memory.max", "2147483648"), ("a/b/memory.max", "max"), ("c/memory.max", "1")];
    assert_eq!(with(&nested, "0::/a/b\n", machine), Some(2 * GIB), "of a group above, not of another one");
    let old =
        [("memory/memory.limit_in_bytes", "9223372036854771712"), ("memory/x/memory.limit_in_bytes", "1073741824")];
    assert_eq!(with(&old, "5:cpu,memory:/x\n1:name=systemd:/y\n", machine), Some(GIB));
    assert_eq!(with(&old, "5:memory:/docker/unseen\n", machine), Some(6 * GIB), "a number that stands for none");
    assert_eq!(with(&old[..1], "5:memory:/../../etc\n", machine), Some(6 * GIB));
    assert_eq!(with(&[("memory.max", "4294967296")], "nonsense\n::\n", Some("")), Some(4 * GIB));
}
