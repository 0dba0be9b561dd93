//! The products of the simulated shop, how popular each is, and which are needed together.
//!
//! Invariants: names and ids are unique; numbers are dense, regular products first; only regular products are viewed
//! and ordered by people. Absent: who buys (see `visits`, `orders`).

use super::assortment::{ARCHIVE, DEAD_STOCK, DEPARTMENT_NAMES, DEPARTMENTS, FAMILIES, Family, HOUSE_ARTICLES, RIVALS};
use super::draw::Urn;
use rand::{Rng, RngExt};

/// Most regular products: what the ids have room for.
pub const PRODUCTS_MAX: usize = 100_000;
/// Anchors with planted complements in a family: its best sellers.
const ANCHORS_PER_FAMILY: usize = 3;
/// Bulk-only products for each kind of [`DEAD_STOCK`].
const DEAD_STOCK_EACH: u32 = 6;
/// Products that a crawler alone finds, of each kind of [`ARCHIVE`].
const ARCHIVE_EACH: u32 = 9;
/// Businesses that have articles of their own.
pub(super) const HOUSES: u32 = 10;
/// How likely an order that holds a planted anchor also holds its complements, in thousandths.
const PLANTED_PERMILLE: [u32; 3] = [400, 250, 150];
/// The same for products whose complements are for colour, and not judged.
const FAINT_PERMILLE: u32 = 70;

/// Who deals with a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// Everyone.
    Regular,
    /// Nobody but resellers, in bulk orders.
    DeadStock,
    /// One business, the one with this number.
    House(u32),
    /// Nobody but a crawler.
    Archive,
}

/// A product.
#[derive(Clone, Debug)]
pub struct Product {
    /// Article number, as events write it.
    pub id: String,
    /// What a person reads.
    pub name: String,
    /// Price in cents.
    pub cents: u32,
    /// Part of the assortment.
    pub department: usize,
    /// Products of one family are alternatives.
    pub family: usize,
    /// Who deals with it.
    pub shelf: Shelf,
}

/// A product that is needed with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// The complement.
    pub other: u32,
    /// How likely it is ordered along, in thousandths.
    pub permille: u32,
    /// Whether lists are judged by it.
    pub planted: bool,
}

/// The catalogue.
pub struct Catalogue {
    products: Vec<Product>,
    links: Vec<Vec<Link>>,
    rivals: Vec<(u32, u32)>,
    rival_of: Vec<Option<u32>>,
    regular: u32,
    best: Vec<u32>,
    partners: Vec<Vec<usize>>,
    pub(super) viewed: Urn,
    pub(super) ordered: Urn,
    pub(super) families: Vec<Urn>,
    pub(super) departments: Vec<Urn>,
}

impl Catalogue {
    /// A catalogue of `products` regular products and some odd ones.
    #[must_use]
    pub(super) fn new(products: usize, rng: &mut impl Rng) -> Self {
        let count = small(products.clamp(FAMILIES.len() * 4, PRODUCTS_MAX));
        let mut made: Vec<Product> = (0..count).map(regular).collect();
        add_unlisted(&mut made);
        let ranks = shuffled_ranks(count, rng);
        let mut catalogue = Self {
            links: vec![Vec::new(); made.len()],
            rival_of: vec![None; made.len()],
            products: made,
            rivals: Vec::new(),
            regular: count,
            best: Vec::new(),
            partners: partners(),
            viewed: Urn::default(),
            ordered: Urn::default(),
            families: vec![Urn::default(); FAMILIES.len()],
            departments: vec![Urn::default(); DEPARTMENTS.len()],
        };
        catalogue.pick_rivals(&ranks);
        catalogue.fill_urns(&ranks);
        catalogue.link(&ranks, rng);
        catalogue
    }

    /// Every product, by number.
    #[must_use]
    pub fn products(&self) -> &[Product] {
        &self.products
    }

    /// A product; its number is below `products().len()`.
    #[must_use]
    pub fn product(&self, item: u32) -> &Product {
        &self.products[item as usize]
    }

    /// The number of the product with this article number.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<u32> {
        // Article numbers rise with the product's number.
        self.products.binary_search_by(|product| product.id.as_str().cmp(id)).ok().map(small)
    }

    /// The name of the product with this article number.
    #[must_use]
    pub fn name(&self, id: &str) -> Option<&str> {
        self.find(id).map(|item| self.product(item).name.as_str())
    }

    /// What the family of a product is called; none of those that people leave alone.
    #[must_use]
    pub fn family_name(&self, product: &Product) -> Option<&'static str> {
        FAMILIES.get(product.family).map(|family| family.noun)
    }

    /// What the department of a product is called; none of those that people leave alone.
    #[must_use]
    pub fn department_name(&self, product: &Product) -> Option<&'static str> {
        DEPARTMENT_NAMES.get(product.department).copied()
    }

    /// Regular products: those with numbers below this.
    #[must_use]
    pub(super) fn regular_count(&self) -> u32 {
        self.regular
    }

    /// The regular products, most popular first.
    #[must_use]
    pub fn best_sellers(&self) -> &[u32] {
        &self.best
    }

    pub(super) fn links(&self, item: u32) -> &[Link] {
        &self.links[item as usize]
    }

    /// Best sellers that replace each other.
    pub(super) fn rivals(&self) -> &[(u32, u32)] {
        &self.rivals
    }

    pub(super) fn rival_of(&self, item: u32) -> Option<u32> {
        self.rival_of[item as usize]
    }

    /// Whether two products are bought for the same job: one department, or families that need each other.
    pub(super) fn same_job(&self, one: u32, other: u32) -> bool {
        let (one, other) = (self.product(one), self.product(other));
        let partner = || self.partners.get(one.family).is_some_and(|families| families.contains(&other.family));
        one.department == other.department || partner()
    }

    /// A product for the same job as `item`: of a family that goes with its own, where there is one.
    pub(super) fn for_same_job(&self, item: u32, rng: &mut impl Rng) -> Option<u32> {
        let product = self.product(item);
        match self.partners.get(product.family).map(Vec::as_slice) {
            Some(families @ [_, ..]) => self.families[families[rng.random_range(0..families.len())]].draw(rng),
            _ => self.departments.get(product.department)?.draw(rng),
        }
    }

    /// The most popular product of each family of rivals and the same of another brand become rivals.
    fn pick_rivals(&mut self, ranks: &[u32]) {
        for family in RIVALS.iter().filter_map(|noun| family_of(noun)) {
            let items = self.by_rank(family, ranks);
            let Some((&first, rest)) = items.split_first() else { continue };
            let same = rest.iter().find(|&&item| variant(item) == variant(first));
            if let Some(&second) = same.or(rest.first()) {
                self.rivals.push((first, second));
                self.rival_of[first as usize] = Some(second);
                self.rival_of[second as usize] = Some(first);
            }
        }
    }

    /// Zipf's law with Mandelbrot's offset (weight 1 / (rank + 20)); rivals lead.
    fn fill_urns(&mut self, ranks: &[u32]) {
        const TOP: u32 = 1_000_000;
        const OFFSET: u32 = 20;
        for item in 0..self.regular {
            let product = &self.products[item as usize];
            if self.rival_of[item as usize].is_some() {
                self.viewed.add(item, TOP / OFFSET);
                continue; // ordered on their own terms: see `orders`
            }
            let weight = TOP / (ranks[item as usize] + OFFSET);
            self.viewed.add(item, weight);
            self.ordered.add(item, weight);
            self.families[product.family].add(item, weight);
            self.departments[product.department].add(item, weight);
        }
        self.best = (0..self.regular).collect();
        self.best.sort_by_key(|&item| (self.rival_of[item as usize].is_none(), ranks[item as usize]));
    }

    /// Gives each product of a family that needs others one product of each of those.
    fn link(&mut self, ranks: &[u32], rng: &mut impl Rng) {
        for (number, family) in FAMILIES.iter().enumerate() {
            for (place, item) in self.by_rank(number, ranks).into_iter().enumerate() {
                let planted = place < ANCHORS_PER_FAMILY;
                for (noun, permille) in family.with.iter().zip(PLANTED_PERMILLE) {
                    let permille = if planted { permille } else { FAINT_PERMILLE };
                    let other = family_of(noun).and_then(|with| self.complement(item, with, rng));
                    self.links[item as usize].extend(other.map(|other| Link { other, permille, planted }));
                }
            }
        }
    }

    /// A product of the family `with` to go with `item`: of the same size where sizes are alike, else a popular one.
    fn complement(&self, item: u32, with: usize, rng: &mut impl Rng) -> Option<u32> {
        let size = size_of(variant(item));
        let fits = |other: &u32| size.is_some() && size_of(variant(*other)) == size;
        let family = self.families[with].items().iter().copied();
        let fitting: Vec<u32> = family.filter(fits).collect();
        if fitting.is_empty() {
            return self.families[with].draw(rng);
        }
        fitting.get(rng.random_range(0..fitting.len())).copied()
    }

    /// The products of a family, most popular first.
    fn by_rank(&self, family: usize, ranks: &[u32]) -> Vec<u32> {
        let mut items: Vec<u32> = (0..self.regular).filter(|&n| self.products[n as usize].family == family).collect();
        items.sort_by_key(|&item| ranks[item as usize]);
        items
    }
}

/// For each family those it needs, those that need it, and what else these need.
fn partners() -> Vec<Vec<usize>> {
    let mut partners = vec![Vec::new(); FAMILIES.len()];
    for (number, family) in FAMILIES.iter().enumerate().filter(|(_, family)| !family.with.is_empty()) {
        let group: Vec<usize> =
            family.with.iter().filter_map(|noun| family_of(noun)).chain(std::iter::once(number)).collect();
        for member in &group {
            partners[*member].extend(group.iter().copied().filter(|other| other != member));
        }
    }
    partners
}

fn family_of(noun: &str) -> Option<usize> {
    FAMILIES.iter().position(|family| family.noun == noun)
}

/// The variant of the regular product with this number.
fn variant(item: u32) -> &'static str {
    let (family, turn) = family_and_turn(item);
    FAMILIES[family].variants[turn % FAMILIES[family].variants.len()]
}

/// The first word of a variant that holds a digit.
fn size_of(variant: &str) -> Option<&str> {
    variant.split(' ').find(|word| word.contains(|c: char| c.is_ascii_digit()))
}

/// The families take turns.
fn family_and_turn(item: u32) -> (usize, usize) {
    (item as usize % FAMILIES.len(), item as usize / FAMILIES.len())
}

/// The regular product with this number: each family goes through its variants and brands, then through series.
fn regular(item: u32) -> Product {
    let (family, turn) = family_and_turn(item);
    let Family { department, noun, variants, cents, .. } = FAMILIES[family];
    let brands = DEPARTMENTS[department];
    // Variant and brand step together, so that a variant soon has more than one brand.
    let (step, brand) = (turn % variants.len(), (turn + turn / (variants.len() * 2)) % brands.len());
    let series = turn / (variants.len() * brands.len());
    let mut name = format!("{} {noun} {}", brands[brand], variants[step]);
    if series > 0 {
        name = format!("{name} series {}", series + 1);
    }
    let cents = cents + cents / 4 * small(step) + cents / 10 * small(brand);
    Product { id: article_number(item), name, cents, department, family, shelf: Shelf::Regular }
}

/// The products that people leave alone.
fn add_unlisted(products: &mut Vec<Product>) {
    let kinds = |nouns: &'static [&'static str], each: u32| {
        nouns.iter().flat_map(move |noun| (1..=each).map(move |n| (noun, n)))
    };
    let dead = kinds(DEAD_STOCK, DEAD_STOCK_EACH).map(|(noun, n)| (format!("{noun} model {n}"), Shelf::DeadStock));
    let house = kinds(HOUSE_ARTICLES, HOUSES).map(|(noun, n)| (format!("{noun} C{:04}", n - 1), Shelf::House(n - 1)));
    let archive = kinds(ARCHIVE, ARCHIVE_EACH).map(|(noun, n)| (format!("{noun} edition {n}"), Shelf::Archive));
    for (name, shelf) in dead.chain(house).chain(archive).collect::<Vec<_>>() {
        let id = article_number(small(products.len()));
        products.push(Product { id, name, cents: 500, department: usize::MAX, family: usize::MAX, shelf });
    }
}

/// Seven digits, rising with the product's number.
fn article_number(item: u32) -> String {
    (1_000_000 + 13 * item).to_string()
}

fn shuffled_ranks(count: u32, rng: &mut impl Rng) -> Vec<u32> {
    let mut ranks: Vec<u32> = (0..count).collect();
    for last in (1..ranks.len()).rev() {
        ranks.swap(last, rng.random_range(0..=last));
    }
    ranks
}

/// A count or index of the simulated shop as a `u32`; all are far below 2^32 ([`PRODUCTS_MAX`]).
pub(super) fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
