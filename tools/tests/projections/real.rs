//! Real event logs.
