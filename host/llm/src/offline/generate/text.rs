//! The words of the user interface, by language.

use std::collections::BTreeMap;

use super::names;

/// Key and, in the order of [`LANGUAGES`], its texts. `{}` stands for a label.
const LANGUAGES: [&str; 6] = ["en", "es", "de", "fr", "it", "pt"];

const TEXTS: &[(&str, [&str; 6])] = &[
    ("home", ["Overview", "Resumen", "Übersicht", "Vue d’ensemble", "Panoramica", "Visão geral"]),
    (
        "create",
        ["Add {}", "Añadir {}", "{} anlegen", "Ajouter : {}", "Aggiungi {}", "Adicionar {}"],
    ),
    ("edit", ["Edit", "Editar", "Bearbeiten", "Modifier", "Modifica", "Editar"]),
    (
        "editTitle",
        ["Edit {}", "Editar {}", "{} bearbeiten", "Modifier : {}", "Modifica {}", "Editar {}"],
    ),
    ("save", ["Save", "Guardar", "Speichern", "Enregistrer", "Salva", "Salvar"]),
    (
        "saving",
        [
            "Saving…",
            "Guardando…",
            "Wird gespeichert…",
            "Enregistrement…",
            "Salvataggio…",
            "Salvando…",
        ],
    ),
    ("saved", ["Saved", "Guardado", "Gespeichert", "Enregistré", "Salvato", "Salvo"]),
    ("cancel", ["Cancel", "Cancelar", "Abbrechen", "Annuler", "Annulla", "Cancelar"]),
    ("remove", ["Delete", "Eliminar", "Löschen", "Supprimer", "Elimina", "Excluir"]),
    (
        "removeTitle",
        [
            "Delete “{}”?",
            "¿Eliminar «{}»?",
            "„{}“ löschen?",
            "Supprimer « {} » ?",
            "Eliminare «{}»?",
            "Excluir “{}”?",
        ],
    ),
    (
        "removeHint",
        [
            "This cannot be undone.",
            "Esta acción no se puede deshacer.",
            "Das lässt sich nicht rückgängig machen.",
            "Cette action est définitive.",
            "L’operazione non può essere annullata.",
            "Esta ação não pode ser desfeita.",
        ],
    ),
    ("removed", ["Deleted", "Eliminado", "Gelöscht", "Supprimé", "Eliminato", "Excluído"]),
    ("search", ["Search", "Buscar", "Suchen", "Rechercher", "Cerca", "Pesquisar"]),
    ("all", ["All", "Todos", "Alle", "Tous", "Tutti", "Todos"]),
    ("yes", ["Yes", "Sí", "Ja", "Oui", "Sì", "Sim"]),
    ("no", ["No", "No", "Nein", "Non", "No", "Não"]),
    ("none", ["None", "Ninguno", "Keine Auswahl", "Aucun", "Nessuno", "Nenhum"]),
    ("choose", ["Choose…", "Elegir…", "Bitte wählen…", "Choisir…", "Scegli…", "Escolher…"]),
    (
        "nothingYet",
        [
            "Nothing here yet",
            "Todavía no hay nada",
            "Noch nichts vorhanden",
            "Rien pour le moment",
            "Ancora niente qui",
            "Nada por aqui ainda",
        ],
    ),
    (
        "nothingYetHint",
        [
            "Add the first one to get started.",
            "Añade el primer elemento para empezar.",
            "Legen Sie den ersten Eintrag an.",
            "Ajoutez un premier élément pour commencer.",
            "Aggiungi il primo elemento per iniziare.",
            "Adicione o primeiro item para começar.",
        ],
    ),
    (
        "nothingFound",
        [
            "Nothing matches",
            "Sin resultados",
            "Keine Treffer",
            "Aucun résultat",
            "Nessun risultato",
            "Nenhum resultado",
        ],
    ),
    (
        "nothingFoundHint",
        [
            "Try other words or fewer filters.",
            "Prueba con otras palabras o menos filtros.",
            "Versuchen Sie andere Wörter oder weniger Filter.",
            "Essayez d’autres mots ou moins de filtres.",
            "Prova altre parole o meno filtri.",
            "Tente outras palavras ou menos filtros.",
        ],
    ),
    (
        "clearFilters",
        [
            "Clear filters",
            "Quitar filtros",
            "Filter löschen",
            "Effacer les filtres",
            "Azzera i filtri",
            "Limpar filtros",
        ],
    ),
    (
        "loading",
        ["Loading…", "Cargando…", "Wird geladen…", "Chargement…", "Caricamento…", "Carregando…"],
    ),
    (
        "failed",
        [
            "That did not work",
            "Algo ha fallado",
            "Das hat nicht geklappt",
            "Une erreur est survenue",
            "Qualcosa è andato storto",
            "Algo deu errado",
        ],
    ),
    (
        "retry",
        ["Try again", "Reintentar", "Erneut versuchen", "Réessayer", "Riprova", "Tentar novamente"],
    ),
    (
        "notFound",
        [
            "Page not found",
            "Página no encontrada",
            "Seite nicht gefunden",
            "Page introuvable",
            "Pagina non trovata",
            "Página não encontrada",
        ],
    ),
    (
        "backHome",
        [
            "Back to the overview",
            "Volver al resumen",
            "Zurück zur Übersicht",
            "Retour à l’accueil",
            "Torna alla panoramica",
            "Voltar à visão geral",
        ],
    ),
    (
        "required",
        [
            "Please fill in this field",
            "Completa este campo",
            "Bitte ausfüllen",
            "Veuillez remplir ce champ",
            "Compila questo campo",
            "Preencha este campo",
        ],
    ),
    (
        "invalidNumber",
        [
            "Please enter a number",
            "Introduce un número",
            "Bitte eine Zahl eingeben",
            "Veuillez saisir un nombre",
            "Inserisci un numero",
            "Digite um número",
        ],
    ),
    ("previous", ["Previous", "Anterior", "Zurück", "Précédent", "Precedente", "Anterior"]),
    ("next", ["Next", "Siguiente", "Weiter", "Suivant", "Successiva", "Próxima"]),
    (
        "pageOf",
        [
            "Page {page} of {pages}",
            "Página {page} de {pages}",
            "Seite {page} von {pages}",
            "Page {page} sur {pages}",
            "Pagina {page} di {pages}",
            "Página {page} de {pages}",
        ],
    ),
    ("createdAt", ["Created", "Creado", "Angelegt", "Créé le", "Creato", "Criado em"]),
    ("updatedAt", ["Changed", "Modificado", "Geändert", "Modifié le", "Modificato", "Alterado em"]),
    (
        "recent",
        [
            "Recently added",
            "Añadido recientemente",
            "Zuletzt hinzugefügt",
            "Ajouts récents",
            "Aggiunti di recente",
            "Adicionados recentemente",
        ],
    ),
    (
        "viewAll",
        ["View all", "Ver todo", "Alle anzeigen", "Tout afficher", "Vedi tutto", "Ver tudo"],
    ),
    ("moveTo", ["Move to", "Pasar a", "Weiter zu", "Passer à", "Passa a", "Mover para"]),
    ("signIn", ["Sign in", "Iniciar sesión", "Anmelden", "Se connecter", "Accedi", "Entrar"]),
    ("signOut", ["Sign out", "Cerrar sesión", "Abmelden", "Se déconnecter", "Esci", "Sair"]),
    (
        "register",
        [
            "Create account",
            "Crear cuenta",
            "Konto anlegen",
            "Créer un compte",
            "Crea account",
            "Criar conta",
        ],
    ),
    (
        "noAccount",
        [
            "No account yet?",
            "¿Aún no tienes cuenta?",
            "Noch kein Konto?",
            "Pas encore de compte ?",
            "Non hai un account?",
            "Ainda não tem conta?",
        ],
    ),
    (
        "haveAccount",
        [
            "Already registered?",
            "¿Ya tienes cuenta?",
            "Schon registriert?",
            "Déjà inscrit ?",
            "Hai già un account?",
            "Já tem conta?",
        ],
    ),
    ("email", ["Email", "Correo electrónico", "E-Mail", "E-mail", "Email", "E-mail"]),
    ("name", ["Name", "Nombre", "Name", "Nom", "Nome", "Nome"]),
    ("password", ["Password", "Contraseña", "Passwort", "Mot de passe", "Password", "Senha"]),
    (
        "passwordHint",
        [
            "At least 8 characters",
            "Al menos 8 caracteres",
            "Mindestens 8 Zeichen",
            "Au moins 8 caractères",
            "Almeno 8 caratteri",
            "Pelo menos 8 caracteres",
        ],
    ),
    (
        "navigation",
        [
            "Main navigation",
            "Navegación principal",
            "Hauptnavigation",
            "Navigation principale",
            "Navigazione principale",
            "Navegação principal",
        ],
    ),
    (
        "skip",
        [
            "Skip to content",
            "Saltar al contenido",
            "Zum Inhalt springen",
            "Aller au contenu",
            "Vai al contenuto",
            "Ir para o conteúdo",
        ],
    ),
    ("actions", ["Actions", "Acciones", "Aktionen", "Actions", "Azioni", "Ações"]),
    (
        "sortBy",
        [
            "Sort by {}",
            "Ordenar por {}",
            "Nach {} sortieren",
            "Trier par {}",
            "Ordina per {}",
            "Ordenar por {}",
        ],
    ),
    (
        "offline",
        [
            "The server does not answer.",
            "El servidor no responde.",
            "Der Server antwortet nicht.",
            "Le serveur ne répond pas.",
            "Il server non risponde.",
            "O servidor não responde.",
        ],
    ),
];

/// Statuses and priorities that requests are full of, in the order of [`LANGUAGES`] without English.
const VALUES: &[(&str, [&str; 5])] = &[
    ("todo", ["Por hacer", "Offen", "À faire", "Da fare", "A fazer"]),
    ("open", ["Abierto", "Offen", "Ouvert", "Aperto", "Aberto"]),
    ("in_progress", ["En curso", "In Arbeit", "En cours", "In corso", "Em andamento"]),
    ("done", ["Hecho", "Erledigt", "Terminé", "Fatto", "Concluído"]),
    ("completed", ["Completado", "Abgeschlossen", "Terminé", "Completato", "Concluído"]),
    ("closed", ["Cerrado", "Geschlossen", "Fermé", "Chiuso", "Fechado"]),
    ("pending", ["Pendiente", "Ausstehend", "En attente", "In attesa", "Pendente"]),
    ("paid", ["Pagado", "Bezahlt", "Payé", "Pagato", "Pago"]),
    ("shipped", ["Enviado", "Versendet", "Expédié", "Spedito", "Enviado"]),
    ("delivered", ["Entregado", "Zugestellt", "Livré", "Consegnato", "Entregue"]),
    ("cancelled", ["Cancelado", "Storniert", "Annulé", "Annullato", "Cancelado"]),
    ("scheduled", ["Programado", "Geplant", "Planifié", "Programmato", "Agendado"]),
    ("confirmed", ["Confirmado", "Bestätigt", "Confirmé", "Confermato", "Confirmado"]),
    ("draft", ["Borrador", "Entwurf", "Brouillon", "Bozza", "Rascunho"]),
    ("published", ["Publicado", "Veröffentlicht", "Publié", "Pubblicato", "Publicado"]),
    ("archived", ["Archivado", "Archiviert", "Archivé", "Archiviato", "Arquivado"]),
    ("active", ["Activo", "Aktiv", "Actif", "Attivo", "Ativo"]),
    ("inactive", ["Inactivo", "Inaktiv", "Inactif", "Inattivo", "Inativo"]),
    ("planned", ["Planificado", "Geplant", "Planifié", "Pianificato", "Planejado"]),
    ("low", ["Baja", "Niedrig", "Basse", "Bassa", "Baixa"]),
    ("medium", ["Media", "Mittel", "Moyenne", "Media", "Média"]),
    ("high", ["Alta", "Hoch", "Haute", "Alta", "Alta"]),
    ("urgent", ["Urgente", "Dringend", "Urgente", "Urgente", "Urgente"]),
];

/// Position of the language in [`LANGUAGES`]; English for those that are not there.
fn position(language: &str) -> usize {
    let primary = language.split(['-', '_']).next().unwrap_or_default();
    LANGUAGES.iter().position(|known| known.eq_ignore_ascii_case(primary)).unwrap_or(0)
}

/// The words of the user interface in this language, or in English.
pub(super) fn catalogue(language: &str) -> BTreeMap<&'static str, &'static str> {
    let position = position(language);
    TEXTS.iter().filter_map(|(key, texts)| Some((*key, *texts.get(position)?))).collect()
}

/// What a person reads for the value of an enumeration.
pub(super) fn enum_label(value: &str, language: &str) -> String {
    let known = position(language).checked_sub(1).and_then(|position| {
        VALUES.iter().find(|(known, _)| *known == value).and_then(|(_, texts)| texts.get(position))
    });
    known.map_or_else(|| names::humanize(value), |text| (*text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_every_text() {
        for language in LANGUAGES {
            let catalogue = catalogue(language);
            assert_eq!(catalogue.len(), TEXTS.len());
            assert!(catalogue.values().all(|text| !text.is_empty()), "{language}");
        }
        assert_eq!(catalogue("es-MX").get("save"), Some(&"Guardar"));
        assert_eq!(catalogue("ja").get("save"), Some(&"Save"));
    }

    #[test]
    fn placeholders_survive_translation() {
        for (key, texts) in TEXTS {
            let count = |text: &str| text.matches('{').count();
            let expected = texts.first().map_or(0, |text| count(text));
            assert!(texts.iter().all(|text| count(text) == expected), "{key}");
        }
    }

    #[test]
    fn values_read_like_words() {
        assert_eq!(enum_label("in_progress", "en"), "In progress");
        assert_eq!(enum_label("in_progress", "de"), "In Arbeit");
        assert_eq!(enum_label("self_pickup", "de"), "Self pickup");
    }
}
