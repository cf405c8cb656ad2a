//! Site → [`Plan`]: which calls a build needs. Pure: nothing is asked here.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};
use tera::{Context, Value};

use crate::report::{Diagnostic, codes};
use crate::site::{Paging, PathPart, Query, Route, Site, VariableValue, site_value};

/// One run of a query with one set of variables.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedCall {
    /// The query's name.
    pub query: String,
    /// Its variables, without those of paging.
    pub variables: Map<String, Json>,
    /// The locale it is in.
    pub locale: Option<u16>,
    /// Indexes of the routes that take its items.
    pub routes: Vec<usize>,
    /// Indexes of the `for_each` routes for which it gives the outer items.
    pub outer_of: Vec<usize>,
    /// Whether the whole `data` is kept, for `page` routes.
    pub whole: bool,
}

impl PlannedCall {
    /// What makes two calls the same: query, locale and variables, as text with sorted keys.
    pub fn key(&self) -> String {
        call_key(&self.query, self.locale, &self.variables)
    }
}

/// The calls of a build, but for those that `for_each` makes out of outer items.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// In the order of the routes.
    pub calls: Vec<PlannedCall>,
}

/// `query|locale|{"a":1}`
pub fn call_key(query: &str, locale: Option<u16>, variables: &Map<String, Json>) -> String {
    let sorted: BTreeMap<&String, &Json> = variables.iter().collect();
    let variables = serde_json::to_string(&sorted).unwrap_or_default();
    format!("{query}|{}|{variables}", locale.map_or(String::new(), |index| index.to_string()))
}

/// The locales a query runs in when a route asks for it.
pub fn locales(site: &Site, query: &Query, route: Option<&Route>) -> Vec<Option<u16>> {
    let uses_locale = query.variable("locale").is_some()
        || route.is_some_and(|route| site.expressions.route(route.index).uses_locale);
    if !uses_locale || site.config.site.locales.is_empty() {
        return vec![None];
    }
    (0..site.config.site.locales.len()).filter_map(|index| u16::try_from(index).ok()).map(Some).collect()
}

/// The locales in which a `for_each` route runs its query for outer items of a call in `outer`: that one; or, for outer items in
/// no locale, every one that the route's query asks for.
pub fn inner_locales(site: &Site, route: &Route, outer: Option<u16>) -> Vec<Option<u16>> {
    match route.query.as_deref().and_then(|name| site.queries.get(name)) {
        Some(query) if outer.is_none() => locales(site, query, Some(route)),
        _ => vec![outer],
    }
}

/// Plans the calls of all routes.
pub fn calls(site: &Site, problems: &mut Vec<Diagnostic>) -> Plan {
    let mut planner =
        Planner { site, site_value: site_value(&site.config.site), by_key: BTreeMap::new(), plan: Plan::default() };
    for route in &site.routes {
        match &route.for_each {
            Some(for_each) => {
                if let Some(query) = site.queries.get(&for_each.query) {
                    for locale in locales(site, query, None) {
                        match planner.variables(query, &[], None, locale) {
                            Ok(variables) => {
                                planner.add(query, variables, locale, |call| call.outer_of.push(route.index))
                            }
                            Err(message) => problems.push(planner.problem(route, "for_each.query", message)),
                        }
                    }
                }
            }
            None => planner.route(route, problems),
        }
    }
    planner.plan
}

/// The call that a `for_each` route makes of one outer item.
///
/// # Errors
/// What is wrong with its variables, one line.
pub fn inner_call(site: &Site, route: &Route, outer: &Value, locale: Option<u16>) -> Result<PlannedCall, String> {
    let query = route.query.as_deref().and_then(|name| site.queries.get(name)).ok_or("the query is missing")?;
    let planner =
        Planner { site, site_value: site_value(&site.config.site), by_key: BTreeMap::new(), plan: Plan::default() };
    let expressions = site.expressions.route(route.index);
    let given: Vec<_> = expressions.variables.iter().chain(&expressions.for_each).cloned().collect();
    let variables = planner.variables(query, &given, Some(outer), locale)?;
    Ok(PlannedCall {
        query: query.name.clone(),
        variables,
        locale,
        routes: vec![route.index],
        outer_of: Vec::new(),
        whole: false,
    })
}

/// The call of `query(name=…)` in a template.
///
/// # Errors
/// What is wrong with its variables, one line.
pub fn template_call(
    site: &Site,
    name: &str,
    given: &Map<String, Json>,
    locale: Option<u16>,
) -> Result<PlannedCall, String> {
    let query = site.queries.get(name).ok_or_else(|| format!("there is no query `{name}`"))?;
    let planner =
        Planner { site, site_value: site_value(&site.config.site), by_key: BTreeMap::new(), plan: Plan::default() };
    let given: Vec<_> =
        given.iter().map(|(name, value)| (name.clone(), VariableValue::Literal(value.clone()))).collect();
    let locale = if query.variable("locale").is_some() { locale.or_else(|| first_locale(site)) } else { None };
    let variables = planner.variables(query, &given, None, locale)?;
    Ok(PlannedCall {
        query: name.to_owned(),
        variables,
        locale,
        routes: Vec::new(),
        outer_of: Vec::new(),
        whole: false,
    })
}

fn first_locale(site: &Site) -> Option<u16> {
    (!site.config.site.locales.is_empty()).then_some(0)
}

struct Planner<'a> {
    site: &'a Site,
    site_value: Value,
    by_key: BTreeMap<String, usize>,
    plan: Plan,
}

impl Planner<'_> {
    fn route(&mut self, route: &Route, problems: &mut Vec<Diagnostic>) {
        let Some(query) = route.query.as_deref().and_then(|name| self.site.queries.get(name)) else {
            return;
        };
        for locale in locales(self.site, query, Some(route)) {
            let given = &self.site.expressions.route(route.index).variables;
            match self.variables(query, given, None, locale) {
                Ok(variables) => self.add(query, variables, locale, |call| {
                    call.routes.push(route.index);
                    call.whole |= route.kind == crate::site::Kind::Page;
                }),
                Err(message) => {
                    problems.push(self.problem(route, "variables", message));
                    return;
                }
            }
        }
    }

    fn problem(&self, route: &Route, key: &str, message: String) -> Diagnostic {
        Diagnostic::error(codes::VARIABLE, message)
            .at(route.places.place(&self.site.config_text, key))
            .help("a route gives variables by `variables = { name = value }`; `$locale` comes from `[site] locales`")
    }

    fn add(
        &mut self,
        query: &Query,
        variables: Map<String, Json>,
        locale: Option<u16>,
        with: impl FnOnce(&mut PlannedCall),
    ) {
        let call = PlannedCall {
            query: query.name.clone(),
            variables,
            locale,
            routes: Vec::new(),
            outer_of: Vec::new(),
            whole: false,
        };
        let next = self.plan.calls.len();
        let at = *self.by_key.entry(call.key()).or_insert(next);
        if at == next {
            self.plan.calls.push(call);
        }
        with(&mut self.plan.calls[at]);
    }

    /// Values for the variables of `query`: those given, the locale, and a page size where none is said.
    fn variables(
        &self,
        query: &Query,
        given: &[(String, VariableValue)],
        outer: Option<&Value>,
        locale: Option<u16>,
    ) -> Result<Map<String, Json>, String> {
        let mut context = Context::new();
        if let Some(members) = outer.and_then(Value::as_map) {
            for (key, value) in members {
                context.insert_value(key.to_string(), value.clone());
            }
        }
        context.insert_value("item", outer.cloned().unwrap_or_else(Value::none));
        context.insert_value("parent", outer.cloned().unwrap_or_else(Value::none));
        context.insert_value("site", self.site_value.clone());
        context.insert_value("locale", self.site.locale_code(locale).map_or_else(Value::none, Value::from));
        let mut variables = Map::new();
        for (name, value) in given {
            let Some(declared) = query.variable(name) else {
                let names: Vec<&str> = query.variables.iter().map(|variable| variable.name.as_str()).collect();
                return Err(match crate::site::nearest(name, names) {
                    Some(near) => {
                        format!("query `{}` declares no variable `${name}`, did you mean `${near}`?", query.name)
                    }
                    None => format!("query `{}` declares no variable `${name}`", query.name),
                });
            };
            variables.insert(
                name.clone(),
                self.value(value, &declared.named_type, &context).map_err(|why| format!("`${name}`: {why}"))?,
            );
        }
        if let (Some(code), Some(_)) = (self.site.locale_code(locale), query.variable("locale")) {
            variables.entry("locale").or_insert_with(|| code.into());
        }
        self.page_sizes(query, &mut variables);
        self.check_required(query, &variables)?;
        Ok(variables)
    }

    /// AEM's own default for `first` is 50 and its maximum 100 (protocol §5.4); fewer requests are better.
    fn page_sizes(&self, query: &Query, variables: &mut Map<String, Json>) {
        for root in &query.roots {
            let size = match &root.paging {
                Paging::Cursor { first, .. } => first,
                Paging::Offset { limit, .. } => limit,
                Paging::None => &None,
            };
            if let Some(variable) =
                size.as_deref().and_then(|name| query.variable(name)).filter(|v| v.default_int.is_none())
            {
                variables.entry(variable.name.clone()).or_insert_with(|| 100.into());
            }
        }
    }

    fn check_required(&self, query: &Query, variables: &Map<String, Json>) -> Result<(), String> {
        let paging: Vec<&str> = query
            .roots
            .iter()
            .filter_map(|root| match &root.paging {
                Paging::Cursor { after, .. } => Some(after.as_str()),
                Paging::Offset { offset, .. } => Some(offset.as_str()),
                Paging::None => None,
            })
            .collect();
        for variable in query.variables.iter().filter(|variable| variable.required) {
            let given = variables.get(&variable.name).is_some_and(|value| !value.is_null());
            if !given && !paging.contains(&variable.name.as_str()) {
                let hint = if variable.name == "locale" { "`[site] locales` is empty" } else { "the route gives none" };
                return Err(format!("query `{}` needs `${}`, and {hint}", query.name, variable.name));
            }
        }
        Ok(())
    }

    fn value(&self, value: &VariableValue, named_type: &str, context: &Context) -> Result<Json, String> {
        match value {
            VariableValue::Literal(literal) => Ok(literal.clone()),
            VariableValue::List(items) => items.iter().map(|item| self.value(item, named_type, context)).collect(),
            VariableValue::Map(members) => members
                .iter()
                .map(|(name, member)| Ok((name.clone(), self.value(member, "String", context)?)))
                .collect::<Result<Map<_, _>, String>>()
                .map(Json::Object),
            VariableValue::Text(parts) => {
                let mut text = String::new();
                for part in parts {
                    match part {
                        PathPart::Literal(literal) => text.push_str(literal),
                        PathPart::Expression(expression) => {
                            let (inserted, _) =
                                self.site.expressions.text(expression, context).map_err(|error| error.message)?;
                            text.push_str(&inserted);
                        }
                    }
                }
                convert(text, named_type)
            }
        }
    }
}

/// A text as a value of the declared type; protocol §3.4: by the type, never by looks.
fn convert(text: String, named_type: &str) -> Result<Json, String> {
    let refuse = |text: &str| format!("`{text}` is not of type {named_type}");
    match named_type {
        "Int" => text.parse::<i64>().map(Json::from).map_err(|_| refuse(&text)),
        "Float" => text
            .parse::<f64>()
            .ok()
            .and_then(serde_json::Number::from_f64)
            .map(Json::Number)
            .ok_or_else(|| refuse(&text)),
        "Boolean" => text.parse::<bool>().map(Json::from).map_err(|_| refuse(&text)),
        _ => Ok(Json::String(text)),
    }
}
