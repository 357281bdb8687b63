//! Each family by table: what stands in the message, and what cell it becomes.
