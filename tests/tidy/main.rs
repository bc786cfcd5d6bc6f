//! The rules of the house that can be checked: layers, length, form, links.

mod files;
mod layers;
mod links;
