//! What the simulated wholesaler sells: families of products, and which families go with which.
//!
//! Brands are invented. A product is a family's noun with a brand and a variant; see `catalogue`.

/// A family of products that differ in brand and variant: alternatives of each other.
pub(super) struct Family {
    /// Part of the assortment, an index into [`DEPARTMENTS`].
    pub department: usize,
    /// What the thing is called.
    pub noun: &'static str,
    /// Its sizes or kinds.
    pub variants: &'static [&'static str],
    /// Price of the cheapest, in cents.
    pub cents: u32,
    /// The families that are needed with it.
    pub with: &'static [&'static str],
}

/// A department: its brands.
pub(super) const DEPARTMENTS: &[&[&str]] = &[
    &["Holter", "Vekto", "Brandal", "Kestrel"],
    &["Fixor", "Ankra", "Tenax", "Brandal"],
    &["Colora", "Meridon", "Palett", "Norda"],
    &["Elektra", "Voltan", "Norda", "Lumio"],
    &["Paperon", "Scriva", "Officio", "Kestrel"],
    &["Clarin", "Hygea", "Svep", "Norda"],
    &["Guardo", "Protekt", "Tenax", "Safir"],
    &["Aroma", "Barista Uno", "Moka", "Hygea"],
    &["Packo", "Boxa", "Meridon", "Svep"],
];

/// What the departments are called.
pub(super) const DEPARTMENT_NAMES: [&str; DEPARTMENTS.len()] =
    ["Tools", "Fixings", "Paint", "Electrical", "Office", "Cleaning", "Safety", "Canteen", "Packaging"];

const fn family(
    department: usize,
    noun: &'static str,
    variants: &'static [&'static str],
    cents: u32,
    with: &'static [&'static str],
) -> Family {
    Family { department, noun, variants, cents, with }
}

/// The families, department by department.
#[rustfmt::skip]
pub(super) const FAMILIES: &[Family] = &[
    family(0, "cordless drill", &["10.8 V", "12 V", "18 V", "18 V brushless", "18 V with case", "36 V"], 8_900, &["drill bit set", "battery pack"]),
    family(0, "drill bit set", &["HSS 13 pc", "HSS 19 pc", "HSS 25 pc", "masonry 5 pc", "masonry 8 pc", "wood 8 pc"], 1_290, &[]),
    family(0, "battery pack", &["12 V 2 Ah", "12 V 4 Ah", "18 V 2 Ah", "18 V 4 Ah", "18 V 5 Ah", "36 V 4 Ah"], 4_900, &[]),
    family(0, "angle grinder", &["115 mm", "125 mm", "125 mm 1400 W", "180 mm", "230 mm", "125 mm 18 V"], 7_400, &["cutting disc", "safety goggles"]),
    family(0, "cutting disc", &["115 mm 10 pc", "125 mm 10 pc", "125 mm 25 pc", "180 mm 5 pc", "230 mm 5 pc", "diamond 125 mm"], 990, &[]),
    family(0, "jigsaw", &["500 W", "650 W", "750 W", "12 V", "18 V", "18 V brushless"], 6_900, &["jigsaw blade set"]),
    family(0, "jigsaw blade set", &["wood 5 pc", "wood 10 pc", "metal 5 pc", "metal 10 pc", "laminate 5 pc", "mixed 20 pc"], 690, &[]),
    family(1, "wall plug", &["5 mm 100 pc", "6 mm 100 pc", "8 mm 100 pc", "8 mm 500 pc", "10 mm 50 pc", "12 mm 25 pc"], 390, &["wood screw"]),
    family(1, "wood screw", &["3.5x30 200 pc", "4x40 200 pc", "4x50 200 pc", "5x60 200 pc", "5x80 100 pc", "6x100 50 pc"], 590, &[]),
    family(1, "threaded rod", &["M6 1 m", "M8 1 m", "M10 1 m", "M12 1 m", "M16 1 m", "M8 2 m"], 190, &["hex nut", "washer"]),
    family(1, "hex nut", &["M6 100 pc", "M8 100 pc", "M10 100 pc", "M12 50 pc", "M16 25 pc", "M8 500 pc"], 450, &[]),
    family(1, "washer", &["M6 100 pc", "M8 100 pc", "M10 100 pc", "M12 50 pc", "M16 25 pc", "M8 500 pc"], 290, &[]),
    family(1, "sealant cartridge", &["white 310 ml", "grey 310 ml", "black 310 ml", "clear 310 ml", "sanitary 310 ml", "acrylic 310 ml"], 490, &["caulking gun"]),
    family(1, "caulking gun", &["standard", "heavy duty", "rotating", "dual", "600 ml", "18 V"], 890, &[]),
    family(2, "wall paint", &["white 2.5 l", "white 5 l", "white 10 l", "off-white 5 l", "grey 5 l", "scrub-proof 10 l"], 2_490, &["paint roller set", "masking film"]),
    family(2, "paint roller set", &["10 cm", "18 cm", "18 cm microfibre", "25 cm", "25 cm microfibre", "facade 25 cm"], 590, &[]),
    family(2, "masking film", &["0.55 m", "1.1 m", "1.4 m", "2.1 m", "2.7 m", "4x5 m"], 340, &[]),
    family(2, "wood varnish", &["matt 0.75 l", "satin 0.75 l", "gloss 0.75 l", "matt 2.5 l", "satin 2.5 l", "exterior 2.5 l"], 1_690, &["flat brush", "sanding sheet"]),
    family(2, "flat brush", &["30 mm", "40 mm", "50 mm", "60 mm", "80 mm", "set of 3"], 290, &[]),
    family(2, "sanding sheet", &["P80 10 pc", "P120 10 pc", "P180 10 pc", "P240 10 pc", "P320 10 pc", "mixed 25 pc"], 390, &[]),
    family(2, "masking tape", &["25 mm", "30 mm", "38 mm", "50 mm", "outdoor 38 mm", "precision 30 mm"], 220, &[]),
    family(3, "wall socket", &["single white", "double white", "single anthracite", "double anthracite", "with USB", "IP44"], 420, &["flush-mount box"]),
    family(3, "flush-mount box", &["40 mm", "50 mm", "61 mm", "cavity wall", "double", "sealed"], 60, &[]),
    family(3, "installation cable", &["3x1.5 50 m", "3x1.5 100 m", "3x2.5 50 m", "3x2.5 100 m", "5x1.5 50 m", "5x2.5 50 m"], 3_900, &["cable clip", "junction box"]),
    family(3, "cable clip", &["7 mm 100 pc", "9 mm 100 pc", "11 mm 100 pc", "14 mm 50 pc", "twin 50 pc", "nail-in 100 pc"], 310, &[]),
    family(3, "junction box", &["IP44 80x80", "IP55 80x80", "IP55 100x100", "IP65 100x100", "IP65 150x110", "flush 100x100"], 280, &[]),
    family(3, "distribution board", &["4 modules", "8 modules", "12 modules", "18 modules", "24 modules", "36 modules"], 2_190, &["circuit breaker", "busbar"]),
    family(3, "circuit breaker", &["B10", "B16", "C10", "C16", "C20", "3-pole C16"], 390, &[]),
    family(3, "busbar", &["2 modules", "4 modules", "8 modules", "12 modules", "3-phase 12", "3-phase 24"], 690, &[]),
    family(3, "LED tube fitting", &["60 cm", "120 cm", "150 cm", "120 cm IP65", "150 cm IP65", "double 120 cm"], 1_490, &["LED tube"]),
    family(3, "LED tube", &["60 cm 840", "120 cm 830", "120 cm 840", "150 cm 830", "150 cm 840", "150 cm 865"], 590, &[]),
    family(4, "laser printer", &["mono A4", "mono A4 duplex", "colour A4", "colour A4 duplex", "mono A3", "colour MFP"], 17_900, &["toner cartridge"]),
    family(4, "toner cartridge", &["black", "black XL", "cyan", "magenta", "yellow", "four-colour set"], 5_900, &[]),
    family(4, "label printer", &["desktop", "mobile", "4 inch", "4 inch network", "6 inch", "wristband"], 9_900, &["label roll"]),
    family(4, "label roll", &["57x32 1000 pc", "62x29 500 pc", "62 mm endless", "100x150 250 pc", "100x50 500 pc", "12 mm tape"], 790, &[]),
    family(4, "ring binder", &["A4 50 mm blue", "A4 50 mm black", "A4 75 mm blue", "A4 75 mm black", "A4 75 mm red", "A5 70 mm"], 240, &["divider set", "punched pocket"]),
    family(4, "divider set", &["A4 5 tabs", "A4 10 tabs", "A4 12 tabs", "A4 A-Z", "A4 1-31", "A5 10 tabs"], 160, &[]),
    family(4, "punched pocket", &["A4 100 pc", "A4 heavy 100 pc", "A4 glossy 100 pc", "A4 500 pc", "A5 100 pc", "A4 expanding 10 pc"], 490, &[]),
    family(4, "copy paper", &["A4 80 g", "A4 75 g", "A4 90 g", "A4 recycled", "A3 80 g", "A4 160 g"], 420, &[]),
    family(5, "flat mop frame", &["40 cm", "50 cm", "60 cm", "40 cm click", "50 cm click", "telescopic"], 1_890, &["mop cover", "mop bucket"]),
    family(5, "mop cover", &["microfibre 40 cm", "microfibre 50 cm", "cotton 40 cm", "cotton 50 cm", "scrub 40 cm", "10 pc 40 cm"], 390, &[]),
    family(5, "mop bucket", &["12 l", "15 l with press", "25 l", "2x15 l trolley", "2x25 l trolley", "pedal press"], 2_900, &[]),
    family(5, "soap dispenser", &["0.5 l white", "0.5 l steel", "1 l white", "1 l steel", "sensor 1 l", "foam 0.8 l"], 2_190, &["soap refill"]),
    family(5, "soap refill", &["mild 1 l", "foam 0.8 l", "perfume-free 1 l", "antibacterial 1 l", "6x1 l", "5 l can"], 690, &[]),
    family(5, "towel dispenser", &["folded white", "folded steel", "roll white", "roll steel", "sensor roll", "mini"], 3_400, &["paper towel refill"]),
    family(5, "paper towel refill", &["V-fold 3200", "Z-fold 3000", "roll 6x150 m", "roll 6x200 m", "mini 12 pc", "recycled 4000"], 2_690, &[]),
    family(6, "half mask", &["S", "M", "L", "M bayonet", "L bayonet", "with valve"], 1_990, &["filter cartridge"]),
    family(6, "filter cartridge", &["A1", "A2", "P2", "P3", "A2P3", "ABEK1"], 990, &[]),
    family(6, "safety goggles", &["clear", "grey", "anti-fog", "over-glasses", "full view", "UV"], 590, &[]),
    family(6, "safety shoe", &["S1P 41", "S1P 43", "S3 41", "S3 42", "S3 43", "S3 45"], 6_900, &["insole pair", "work sock"]),
    family(6, "insole pair", &["41", "42", "43", "44", "45", "gel"], 890, &[]),
    family(6, "work sock", &["39-42", "43-46", "39-42 3 pairs", "43-46 3 pairs", "winter 43-46", "ESD 39-42"], 490, &[]),
    family(6, "nitrile glove", &["M 100 pc", "L 100 pc", "XL 100 pc", "S 100 pc", "M 200 pc", "L 200 pc"], 690, &[]),
    family(7, "coffee machine", &["one group", "two groups", "bean-to-cup S", "bean-to-cup L", "filter 2 l", "filter 4 l"], 39_900, &["coffee beans", "descaler"]),
    family(7, "coffee beans", &["crema 1 kg", "espresso 1 kg", "decaf 1 kg", "organic 1 kg", "dark 1 kg", "crema 6x1 kg"], 1_390, &[]),
    family(7, "descaler", &["250 ml", "500 ml", "1 l", "tablets 10 pc", "sachets 50 pc", "citric 1 kg"], 590, &[]),
    family(7, "paper cup", &["100 ml 100 pc", "180 ml 100 pc", "200 ml 50 pc", "300 ml 50 pc", "double-wall 200 ml", "double-wall 300 ml"], 490, &["cup lid", "stirrer"]),
    family(7, "cup lid", &["62 mm 100 pc", "70 mm 100 pc", "80 mm 100 pc", "90 mm 100 pc", "domed 90 mm", "fibre 80 mm"], 390, &[]),
    family(7, "stirrer", &["wood 110 mm 1000 pc", "wood 140 mm 1000 pc", "wood 140 mm 500 pc", "wrapped 500 pc", "wood 178 mm", "bamboo 140 mm"], 340, &[]),
    family(8, "shipping box", &["200x150x100", "300x200x150", "300x300x200", "400x300x200", "400x300x300", "600x400x400"], 90, &["packing tape", "filling paper"]),
    family(8, "packing tape", &["brown 50 mm", "clear 50 mm", "paper 50 mm", "paper 75 mm", "brown 6 pc", "fragile print"], 190, &[]),
    family(8, "filling paper", &["390 mm 5 kg", "500 mm 5 kg", "750 mm 8 kg", "fan-fold 12 kg", "honeycomb 250 m", "recycled 10 kg"], 1_290, &[]),
    family(8, "stretch film", &["17 my clear", "20 my clear", "23 my clear", "20 my black", "machine 23 my", "mini 100 mm"], 690, &["film dispenser"]),
    family(8, "film dispenser", &["hand", "hand with brake", "mini", "long handle", "steel", "machine spare"], 1_190, &[]),
];

/// Families whose two best sellers are substitutes that nearly every customer buys one of.
pub(super) const RIVALS: &[&str] = &["nitrile glove", "copy paper", "masking tape"];

/// What nobody orders but resellers who clear the shelf.
pub(super) const DEAD_STOCK: &[&str] = &[
    "thermal fax roll",
    "overhead transparency",
    "typewriter ribbon",
    "carbon paper pack",
    "floppy disk box",
    "slide mount tray",
    "pager belt clip",
    "CRT monitor arm",
    "parallel printer cable",
    "dictation cassette",
];

/// What one business orders and nobody else.
pub(super) const HOUSE_ARTICLES: &[&str] = &["made-to-order gasket", "house blend cleaner", "printed carton sleeve"];

/// What only a crawler finds.
pub(super) const ARCHIVE: &[&str] =
    &["discontinued lamp", "discontinued chisel", "discontinued folder", "discontinued hose"];
