//! What a mapping needs to know of schemas, and takes in: those of files, and those that records name by a registry's ids.
//!
//! Who reads records asks [`Mapping::missing_schema`] first, and lets the mapping [`learn`](Mapping::learn) what it found.

use super::Record;
use super::avro::{Learned, Part, Plans, SchemaFiles, SchemaId, id_of};
use super::mapping::{Mapping, MappingError};
use super::spec::Format;

impl Mapping {
    /// The mapping with the texts of schema files: `writer`'s is that of all values, which are then bare Avro;
    /// `reader`'s names the fields that the mapping's pointers name, with their aliases and defaults.
    ///
    /// # Errors
    /// [`MappingError`] names the file's setting and what is wrong with the schema.
    pub fn with_schemas(mut self, writer: Option<&str>, reader: Option<&str>) -> Result<Self, MappingError> {
        let given = [("schema_file", writer), ("reader_schema_file", reader)];
        if let (Format::Json, Some((field, _))) = (self.format, given.iter().find(|(_, text)| text.is_some())) {
            let message = "a schema is for format = \"avro\" only; JSON needs none".to_owned();
            return Err(MappingError { field, message });
        }
        if let (Some(_), Some(_)) = (&self.transform, reader) {
            let message = "with transform, the program sees the fields that the writer named: leave this schema out, and write \
                           other names and defaults in the program (.a // .b // \"main\")";
            return Err(MappingError { field: "reader_schema_file", message: message.to_owned() });
        }
        let files = SchemaFiles::new(writer, reader, &self.value_paths);
        self.schema_files = files.map_err(|(field, message)| MappingError { field, message })?;
        Ok(self)
    }

    /// Whether records name schemas by the ids of a registry.
    #[must_use]
    pub fn needs_registry(&self) -> bool {
        self.is_wire(Part::Value) || self.is_wire(Part::Key)
    }

    /// The schema id that `record` needs and `plans` does not hold yet: to be asked for and [`Mapping::learn`]ed before the
    /// record is taken. To be called again after that: value and key may need one each.
    #[must_use]
    pub fn missing_schema(&self, plans: &Plans, record: &Record<'_>) -> Option<SchemaId> {
        // A tombstone is skipped, whatever its key is.
        let value = record.value?;
        let value = if self.is_wire(Part::Value) { id_of(value) } else { None };
        let key = if self.is_wire(Part::Key) { record.key.and_then(id_of) } else { None };
        [value, key].into_iter().flatten().find(|&id| plans.lack(id))
    }

    /// Takes in what was found out about `id`.
    pub fn learn(&self, plans: &mut Plans, id: SchemaId, learned: Learned<'_>) {
        let value = self.is_wire(Part::Value).then_some(&self.value_paths);
        let key = self.key_paths.as_ref().filter(|_| self.is_wire(Part::Key));
        plans.learn(id, learned, &self.schema_files, value, key);
    }

    /// Whether `part` is read in the wire format.
    fn is_wire(&self, part: Part) -> bool {
        match part {
            Part::Value => self.format == Format::Avro && !self.schema_files.are_of_bare_values(),
            Part::Key => self.key_format == Format::Avro && self.key_paths.is_some(),
        }
    }
}
