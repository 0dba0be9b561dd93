//! The names of keys in a cache.

/// Names behind a prefix: of values, of their stamps, and of the one key that says how far a cache is.
///
/// A value has the list's own key, `shop/list/item`; its stamp the same behind `/`. No shop is called by nothing, so no value's key begins
/// like that, whatever is in an item's id.
#[derive(Clone, Debug)]
pub struct Names {
    prefix: String,
    marker: String,
}

impl Names {
    /// Behind `prefix`, for lists of `topic`.
    #[must_use]
    pub fn new(prefix: &str, topic: &str) -> Self {
        Self { prefix: prefix.to_owned(), marker: format!("{prefix}//warm/{topic}") }
    }

    /// Where the cache says how far it is.
    #[must_use]
    pub fn marker(&self) -> &str {
        &self.marker
    }

    /// Where the list called `key` stands.
    #[must_use]
    pub fn value(&self, key: &str) -> String {
        [&*self.prefix, key].concat()
    }

    /// Where its stamp stands.
    #[must_use]
    pub fn stamp(&self, key: &str) -> String {
        [&*self.prefix, "/", key].concat()
    }

    /// The list whose stamp stands under `name`; none of other keys.
    #[must_use]
    pub fn list<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.strip_prefix(&*self.prefix)?.strip_prefix('/').filter(|key| !key.starts_with('/'))
    }

    /// A pattern of SCAN for the names of all stamps.
    #[must_use]
    pub fn stamps(&self) -> String {
        let mut pattern = String::new();
        for letter in self.prefix.chars() {
            if matches!(letter, '*' | '?' | '[' | ']' | '^' | '\\') {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern.push_str("/*");
        pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_of_one_kind_is_one_of_another() {
        let names = Names::new("shop:", "samenloop.lists");
        let key = "main/upsell//a*";
        assert_eq!((names.value(key), names.stamp(key)), (format!("shop:{key}"), format!("shop:/{key}")));
        assert_eq!(names.list(&names.stamp(key)), Some(key));
        assert_eq!(
            (names.list(&names.value(key)), names.list(names.marker()), names.list("/main/upsell/b")),
            (None, None, None)
        );
        assert_eq!(Names::new("a[*]", "t").stamps(), "a\\[\\*\\]/*");
    }
}
