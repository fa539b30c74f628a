//! The functions and types of a file: how long, how wide, holding what.

use proc_macro2::TokenStream;
use syn::visit::{self, Visit};

use crate::mentions::Resolver;

/// A function with a body.
pub struct Function {
    pub name: String,
    pub line: usize,
    /// From its signature to its closing brace; attributes and docs aside.
    pub lines: usize,
    /// Parameters, `self` aside.
    pub parameters: usize,
}

/// A struct or an enum.
pub struct Type {
    pub name: String,
    pub line: usize,
    /// Last words of the traits it derives.
    pub derives: Vec<String>,
    /// Every type its fields name, in any depth of generics.
    pub holds: Vec<Held>,
    /// The names of an enum's variants, with their lines.
    pub variants: Vec<(String, usize)>,
}

/// One type named by a field.
pub struct Held {
    /// Resolved through the file's imports.
    pub path: Vec<String>,
    /// Whether the field only points at it.
    pub borrowed: bool,
}

/// What [`syn`] knows about a file that its tokens do not say.
#[derive(Default)]
pub struct Shapes {
    pub functions: Vec<Function>,
    pub types: Vec<Type>,
}

impl Shapes {
    pub fn new(stream: TokenStream, resolver: &Resolver) -> Result<Self, String> {
        let file: syn::File = syn::parse2(stream).map_err(|e| format!("{e}"))?;
        let mut reader = Reader { resolver, shapes: Self::default() };
        reader.visit_file(&file);
        Ok(reader.shapes)
    }
}

struct Reader<'a> {
    resolver: &'a Resolver,
    shapes: Shapes,
}

impl Reader<'_> {
    fn function(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let line = signature.fn_token.span.start().line;
        let end = body.brace_token.span.close().end().line;
        let typed = signature.inputs.iter().filter(|i| matches!(i, syn::FnArg::Typed(_)));
        self.shapes.functions.push(Function {
            name: signature.ident.to_string(),
            line,
            lines: end + 1 - line,
            parameters: typed.count(),
        });
    }

    fn holds<'a>(&self, fields: impl Iterator<Item = &'a syn::Field>) -> Vec<Held> {
        let mut reader = FieldReader { resolver: self.resolver, borrows: 0, held: Vec::new() };
        fields.for_each(|field| reader.visit_type(&field.ty));
        reader.held
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.shapes.types.push(Type {
            name: item.ident.to_string(),
            line: item.ident.span().start().line,
            derives: derives(&item.attrs),
            holds: self.holds(item.fields.iter()),
            variants: Vec::new(),
        });
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        let variant = |v: &syn::Variant| (v.ident.to_string(), v.ident.span().start().line);
        self.shapes.types.push(Type {
            name: item.ident.to_string(),
            line: item.ident.span().start().line,
            derives: derives(&item.attrs),
            holds: self.holds(item.variants.iter().flat_map(|v| v.fields.iter())),
            variants: item.variants.iter().map(variant).collect(),
        });
        visit::visit_item_enum(self, item);
    }
}

fn derives(attributes: &[syn::Attribute]) -> Vec<String> {
    let mut traits = Vec::new();
    for attribute in attributes.iter().filter(|a| a.path().is_ident("derive")) {
        let read = attribute.parse_nested_meta(|meta| {
            traits.extend(meta.path.segments.last().map(|s| s.ident.to_string()));
            Ok(())
        });
        read.unwrap_or_default(); // a malformed derive is rustc's to refuse
    }
    traits
}

struct FieldReader<'a> {
    resolver: &'a Resolver,
    borrows: usize,
    held: Vec<Held>,
}

impl<'ast> Visit<'ast> for FieldReader<'_> {
    fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
        self.borrows += 1;
        visit::visit_type_reference(self, reference);
        self.borrows -= 1;
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let words: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        let path_in_full = self.resolver.resolve(&words);
        self.held.push(Held { path: path_in_full, borrowed: self.borrows > 0 });
        visit::visit_path(self, path);
    }
}
