//! State tuning: what is trained, how, and the files that hold it. The method is
//! that of arXiv 2504.05097; [`method`] says what is run of it and why.
//!
//! | folder | what |
//! |---|---|
//! | [`spec`] | every choice, as plain data |
//! | [`method`] | the paper in code |
//! | [`train`] | batches, objective, optimizer and the steps of a run |
//! | [`states`] | every file that a state can be in |
//! | [`inspect`] | statistics, spectra and trajectories of states; what is wrong with a run |
//! | [`plan`] | what a step needs and costs, by arithmetic |

pub mod inspect;
pub mod method;
pub mod plan;
pub mod spec;
pub mod states;
pub mod train;

pub use train::parameter::MomentValues;
