//! What the fuzz targets share: how a run is bounded, driven and read.
//!
//! A target's input may be anything, so that a model's size has to be bounded before it runs: what is
//! large because somebody wrote a large number is no finding. Not here: what each target holds to be
//! true, which is in `targets/`.

pub mod drive;
pub mod made;
pub mod text;
pub mod walk;
