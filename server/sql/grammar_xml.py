"""The calls of SQL/XML (gram.y: func_expr_common_subexpr, xmltable), whose words are keywords.

They are parsed as calls of functions of their names, which are not here (server.sql.lacking).
"""

from server.sql.ast import Expr, FuncCall
from server.sql.grammar_base import COLUMN_NAMES
from server.sql.grammar_types import Types


class XmlCalls(Types):
    """`xml_call` reads what is in the parentheses, `xml_table` an item of FROM."""

    def xml_call(self, kind: str, at: int) -> Expr:
        """One of `XML_CALLS`, behind its parenthesis."""
        forms = {
            "xmlconcat": lambda: self.comma_list(self.expression),
            "xmlelement": self._xml_element,
            "xmlexists": self._xml_passing,
            "xmlforest": self._xml_attributes,
            "xmlparse": self._xml_parse,
            "xmlpi": self._xml_instruction,
            "xmlroot": self._xml_root,
            "xmlserialize": self._xml_serialize,
        }
        return FuncCall((kind,), forms[kind](), at=at)

    def _xml_named(self) -> None:
        self.expect("name")
        self.label()

    def _xml_element(self) -> tuple[Expr, ...]:
        self._xml_named()
        args: tuple[Expr, ...] = ()
        if self.accept(","):
            if self.kind == "xmlattributes" and self.peek() == "(":
                self.index += 2
                args = self._xml_attributes()
                self.expect(")")
                if not self.accept(","):
                    return args
            args += self.comma_list(self.expression)
        return args

    def _xml_attributes(self) -> tuple[Expr, ...]:
        """xml_attribute_list."""
        return self.comma_list(self._xml_attribute)

    def _xml_attribute(self) -> Expr:
        value = self.expression()
        if self.accept("as"):
            self.label()
        return value

    def _xml_passing(self) -> tuple[Expr, ...]:
        """c_expr xmlexists_argument."""
        path = self.primary()
        self.expect("passing")
        self._xml_mechanism()
        value = self.primary()
        self._xml_mechanism()
        return path, value

    def _xml_mechanism(self) -> None:
        if self.accept("by"):
            self.expect_any(("ref", "value"))

    def _xml_parse(self) -> tuple[Expr, ...]:
        self.expect_any(("document", "content"))
        value = self.expression()
        if self.accept_any(("preserve", "strip")):
            self.expect("whitespace")
        return (value,)

    def _xml_instruction(self) -> tuple[Expr, ...]:
        self._xml_named()
        return (self.expression(),) if self.accept(",") else ()

    def _xml_root(self) -> tuple[Expr, ...]:
        args = [self.expression()]
        self.expect(",", "version")
        if self.kind == "no" and self.peek() == "value":
            self.index += 2
        else:
            args.append(self.expression())
        if self.accept(","):
            self.expect("standalone")
            if self.expect_any(("yes", "no")) == "no":
                self.accept("value")
        return tuple(args)

    def _xml_serialize(self) -> tuple[Expr, ...]:
        self.expect_any(("document", "content"))
        value = self.expression()
        self.expect("as")
        self.simple_type()
        if self.accept("no"):
            self.expect("indent")
        else:
            self.accept("indent")
        return (value,)

    def xml_table(self, at: int) -> Expr:
        """XMLTABLE without its alias."""
        self.index += 2
        spaces: tuple[Expr, ...] = ()
        if self.kind == "xmlnamespaces" and self.peek() == "(":
            self.index += 1
            spaces = self.in_parens(self._xml_namespace)
            self.expect(",")
        args = self._xml_passing()
        self.expect("columns")
        columns = self.comma_list(self._xml_column)
        self.expect(")")
        given = (*spaces, *args, *(each for options in columns for each in options))
        return FuncCall(("xmltable",), given, at=at)

    def _xml_namespace(self) -> Expr:
        """xml_namespace_el."""
        self.accept("default")
        uri = self.restricted_expression()
        if self.accept("as"):
            self.label()
        return uri

    def _xml_column(self) -> tuple[Expr, ...]:
        """xmltable_column_el."""
        if self.kind not in COLUMN_NAMES:
            raise self.fail()
        self.column_name()
        if self.accept("for"):
            self.expect("ordinality")
            return ()
        self.type_name()
        options = []
        while self.kind not in (",", ")"):
            if self.accept("not"):
                self.expect("null")
            elif self.accept("default") or self.accept_word("path"):
                options.append(self.restricted_expression())
            else:
                self.expect("null")
        return tuple(options)
