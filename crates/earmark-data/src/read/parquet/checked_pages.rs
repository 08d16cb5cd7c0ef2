//! Parquet's pages on their way to its reader, each looked over first.
//!
//! parquet 60.1.0 skips plain values without looking where their page ends (`ByteArrayDecoderPlain::skip`). The next read then
//! reserves memory for a number of bytes that wrapped around, and a failed allocation ends the process: no `catch_unwind`
//! sees it. So a page whose lengths run past its end never gets there.

use std::sync::Arc;
use std::vec::IntoIter;

use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;

use crate::read::read_at::Chunks;

/// Row groups of a file, by their numbers.
pub(crate) struct CheckedGroups {
    pub(crate) chunks: Arc<Chunks>,
    pub(crate) metadata: Arc<ParquetMetaData>,
    pub(crate) groups: Vec<usize>,
}

impl RowGroups for CheckedGroups {
    fn num_rows(&self) -> usize {
        self.row_groups().map(|group| group.num_rows().max(0) as usize).sum()
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        Ok(Box::new(CheckedChunks {
            chunks: Arc::clone(&self.chunks),
            metadata: Arc::clone(&self.metadata),
            groups: self.groups.clone().into_iter(),
            column,
        }))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.groups.iter().map(|group| self.metadata.row_group(*group)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// A column of these groups.
struct CheckedChunks {
    chunks: Arc<Chunks>,
    metadata: Arc<ParquetMetaData>,
    groups: IntoIter<usize>,
    column: usize,
}

impl Iterator for CheckedChunks {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = self.metadata.row_group(self.groups.next()?);
        let column = group.column(self.column);
        let rows = group.num_rows().max(0) as usize;
        let pages = SerializedPageReader::new(Arc::clone(&self.chunks), column, rows, None);
        Some(pages.map(|pages| {
            let about = column.column_descr();
            let is_bytes = about.physical_type() == Type::BYTE_ARRAY;
            let levels = [about.max_rep_level(), about.max_def_level()];
            let left = column.num_values().max(0) as u64;
            Box::new(CheckedPages { pages, left, is_bytes, levels }) as Box<dyn PageReader>
        }))
    }
}

impl PageIterator for CheckedChunks {}

/// The pages of a column chunk.
struct CheckedPages {
    pages: SerializedPageReader<Chunks>,
    /// Values that the index counts and that no page has had yet.
    left: u64,
    is_bytes: bool,
    /// The largest repetition and definition level.
    levels: [i16; 2],
}

impl CheckedPages {
    fn checked(&mut self, page: Page) -> Result<Page> {
        // The limits on what a file may unpack to were checked by the index. A run of one value takes a few bytes, however long.
        if !matches!(page, Page::DictionaryPage { .. }) {
            let left = self.left.checked_sub(page.num_values().into());
            self.left = left.ok_or_else(|| {
                ParquetError::General("its pages hold more values than its index counts".to_owned())
            })?;
        }
        if self.is_bytes && !self.ends_where_its_values_do(&page) {
            return Err(ParquetError::General("a page's values run past its end".to_owned()));
        }
        Ok(page)
    }

    fn ends_where_its_values_do(&self, page: &Page) -> bool {
        let (values, count) = match page {
            Page::DataPage {
                encoding: Encoding::PLAIN,
                buf,
                num_values,
                rep_level_encoding,
                def_level_encoding,
                ..
            } => {
                (self.behind_levels(buf, *num_values, [*rep_level_encoding, *def_level_encoding]), num_values)
            }
            Page::DataPageV2 {
                encoding: Encoding::PLAIN,
                buf,
                num_values,
                rep_levels_byte_len,
                def_levels_byte_len,
                ..
            } => {
                let levels = (*rep_levels_byte_len as usize).saturating_add(*def_levels_byte_len as usize);
                (buf.get(levels..), num_values)
            }
            Page::DictionaryPage { buf, num_values, .. } => (Some(&buf[..]), num_values),
            _ => return true,
        };
        let Some(mut values) = values else { return false };
        // Each has its length before it; there are fewer than counted where some are null.
        for _ in 0..*count {
            if values.is_empty() {
                break;
            }
            let Some((length, rest)) = values.split_first_chunk() else { return false };
            let Some(rest) = rest.get(u32::from_le_bytes(*length) as usize..) else { return false };
            values = rest;
        }
        true
    }

    /// The values of a page of format 1, which lie behind its levels.
    fn behind_levels<'a>(&self, page: &'a [u8], count: u32, encodings: [Encoding; 2]) -> Option<&'a [u8]> {
        let mut rest = page;
        for (most, encoding) in self.levels.into_iter().zip(encodings) {
            if most == 0 {
                continue;
            }
            rest = if encoding == Encoding::RLE {
                let (length, rest) = rest.split_first_chunk()?;
                rest.get(u32::from_le_bytes(*length) as usize..)?
            } else {
                // So many bits each, without a length.
                let bits = u64::from(i16::BITS - most.leading_zeros());
                rest.get((u64::from(count) * bits).div_ceil(8) as usize..)?
            };
        }
        Some(rest)
    }
}

impl Iterator for CheckedPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for CheckedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        page.map(|page| self.checked(page)).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn supports_deferred_dictionary(&self) -> bool {
        self.pages.supports_deferred_dictionary()
    }

    fn take_deferred_dictionary(&mut self) -> Result<Option<Page>> {
        let page = self.pages.take_deferred_dictionary()?;
        page.map(|page| self.checked(page)).transpose()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}
