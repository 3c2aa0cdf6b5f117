//! One self-contained page: plots as SVG, tables, no script, nothing from anywhere else.
//!
//! * `scale`: from values to places, and what stands at an axis
//! * `plot`: a plot, its drawing and its table
//! * `figures`: which plots a survey has
//! * `page`: the page around them
//! * `markup`: text that is safe between tags

mod figures;
mod markup;
mod page;
mod plot;
mod scale;
#[cfg(test)]
mod tests;

pub(super) use page::page;
